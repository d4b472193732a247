using System.Text.Json;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>What a request may cost, before it is known.</summary>
/// <param name="Prompt">Tokens of the prompt, rather too many.</param>
/// <param name="Completion">Tokens that the answer may have at most: what the request bounds it to, times the answers asked for.</param>
public readonly record struct TokenEstimate(long Prompt, long Completion)
{
    /// <summary>English has about four bytes a token, code and other languages fewer.</summary>
    private const int BytesAToken = 3;

    /// <summary>Template tokens around a message.</summary>
    private const int TokensAText = 4;

    /// <summary>An image or a sound given as data.</summary>
    private const int TokensOfMedia = 1024;

    public long Total => Prompt + Completion;

    /// <param name="json">A JSON object that has been checked already.</param>
    /// <param name="completes">False where the endpoint makes no tokens (embeddings, ranking).</param>
    /// <param name="defaultMaxTokens">Where the request bounds nothing.</param>
    public static TokenEstimate Of(ReadOnlySpan<byte> json, bool completes, int defaultMaxTokens)
    {
        long prompt = 0, most = 0, answers = 1;
        var bounded = false;
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 128 });
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.String) prompt += OfText(reader.ValueSpan);
            else if (reader.TokenType == JsonTokenType.Number && reader.CurrentDepth > 1) prompt++; // A prompt given as tokens.
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1) continue;
            if (IsBound(ref reader))
            {
                bounded |= Number(ref reader, 0, out var value);
                most = Math.Max(most, value);
            }
            else if (reader.ValueTextEquals("n"u8) || reader.ValueTextEquals("best_of"u8))
            {
                Number(ref reader, 1, out var value);
                answers = Math.Max(answers, value);
            }
        }

        return new TokenEstimate(prompt, !completes ? 0 : checked(Math.Min(bounded ? most : defaultMaxTokens, int.MaxValue) * Math.Clamp(answers, 1, 1024)));
    }

    private static long OfText(ReadOnlySpan<byte> text) => text.StartsWith("data:"u8) ? TokensOfMedia : TokensAText + ((text.Length + BytesAToken - 1) / BytesAToken);

    private static bool IsBound(ref Utf8JsonReader reader) =>
        reader.ValueTextEquals("max_tokens"u8) || reader.ValueTextEquals("max_completion_tokens"u8)
        || reader.ValueTextEquals("max_output_tokens"u8) || reader.ValueTextEquals("n_predict"u8);

    private static bool Number(ref Utf8JsonReader reader, long least, out long value)
    {
        value = 0;
        return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out value) && value >= least;
    }
}
