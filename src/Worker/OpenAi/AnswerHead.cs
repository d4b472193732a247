using System.Buffers;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.OpenAi;

/// <summary>What every chunk of a response repeats.</summary>
/// <param name="Id">Such as chatcmpl-...</param>
/// <param name="Created">Unix seconds.</param>
/// <param name="Model">The model id, not what the client asked for.</param>
/// <param name="Fingerprint">Which version of the model, and which library, answered.</param>
internal sealed record AnswerHead(string Id, long Created, string Model, string Fingerprint)
{
    public void Write(Utf8JsonWriter json, string kind)
    {
        json.WriteString("id", Id);
        json.WriteString("object", kind);
        json.WriteNumber("created", Created);
        json.WriteString("model", Model);
        json.WriteString("system_fingerprint", Fingerprint);
    }
}

/// <summary>JSON that chat and text completions share.</summary>
internal static class AnswerJson
{
    public static string FinishReason(GenerationEnd end) => end.Kind == FinishKind.Length ? "length" : "stop";

    /// <summary>Prompts count once, however many answers they got: answers of one prompt come one after the other.</summary>
    public static void Usage(Utf8JsonWriter json, IEnumerable<GenerationEnd> ends, int choicesPerPrompt)
    {
        int prompt = 0, cached = 0, completion = 0, index = 0;
        foreach (var end in ends)
        {
            completion += end.Figures.CompletionTokens;
            if (index++ % choicesPerPrompt != 0) continue;
            prompt += end.Figures.PromptTokens;
            cached += end.Figures.CachedTokens;
        }

        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("completion_tokens", completion);
        json.WriteNumber("total_tokens", prompt + completion);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", cached);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>What ends a stream: the usage where it was asked for, and [DONE].</summary>
    public static void Complete(IBufferWriter<byte> stream, AnswerHead head, string kind, AnswerFields fields, IReadOnlyList<GenerationEnd> ends)
    {
        if (fields.IncludeUsage)
        {
            EventFrames.Write(stream, json =>
            {
                json.WriteStartObject();
                head.Write(json, kind);
                json.WriteStartArray("choices");
                json.WriteEndArray();
                Usage(json, ends, fields.Choices);
                Timings(json, ends[0].Figures);
                json.WriteEndObject();
            });
        }

        EventFrames.Done(stream);
    }

    /// <summary>llama-server's timings of one generation.</summary>
    public static void Timings(Utf8JsonWriter json, GenerationFigures figures)
    {
        var computed = figures.PromptTokens - figures.CachedTokens;
        json.WriteStartObject("timings");
        json.WriteNumber("cache_n", figures.CachedTokens);
        json.WriteNumber("prompt_n", computed);
        Rates("prompt", computed, figures.PromptTime);
        json.WriteNumber("predicted_n", figures.CompletionTokens);
        // The first token is the prompt's: its time is there.
        Rates("predicted", Math.Max(0, figures.CompletionTokens - 1), figures.DecodeTime);
        if (figures.Guessed > 0)
        {
            json.WriteNumber("draft_n", figures.Guessed);
            json.WriteNumber("draft_n_accepted", figures.GuessedRight);
        }

        json.WriteNumber("queue_ms", Round(figures.QueueTime.TotalMilliseconds));
        json.WriteEndObject();

        void Rates(string name, int tokens, TimeSpan time)
        {
            json.WriteNumber($"{name}_ms", Round(time.TotalMilliseconds));
            json.WriteNumber($"{name}_per_token_ms", tokens == 0 ? 0 : Round(time.TotalMilliseconds / tokens));
            json.WriteNumber($"{name}_per_second", time == TimeSpan.Zero ? 0 : Round(tokens / time.TotalSeconds));
        }
    }

    /// <summary>llama-server's account of a prompt at work.</summary>
    public static void Progress(Utf8JsonWriter json, PromptProgress progress)
    {
        json.WriteStartObject("prompt_progress");
        json.WriteNumber("total", progress.Total);
        json.WriteNumber("cache", progress.Cached);
        json.WriteNumber("processed", progress.Processed);
        json.WriteNumber("time_ms", (long)progress.Time.TotalMilliseconds);
        json.WriteEndObject();
    }

    private static double Round(double value) => Math.Round(value, 3);
}

/// <summary>Texts of single tokens, for log-probabilities. Thread-safe.</summary>
internal sealed class TokenTexts(IVocabulary vocabulary)
{
    public byte[] Bytes(int token)
    {
        Span<byte> piece = stackalloc byte[256];
        var length = vocabulary.Piece(token, piece, special: true);
        if (length >= 0) return piece[..length].ToArray();
        var large = new byte[-length];
        return large[..Math.Max(0, vocabulary.Piece(token, large, special: true))];
    }
}
