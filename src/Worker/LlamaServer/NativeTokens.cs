using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.LlamaServer;

/// <summary>llama-server's "tokens" and "completion_probabilities": log-probabilities of the model, or probabilities of the draw.</summary>
internal sealed class NativeTokens(NativeRequest request, TokenTexts texts)
{
    public void Write(Utf8JsonWriter json, IReadOnlyList<TokenLogprob> entries)
    {
        json.WriteStartArray("tokens");
        if (request.ReturnsTokens) foreach (var entry in entries) json.WriteNumberValue(entry.Token);
        json.WriteEndArray();
        if (!request.ReturnsProbabilities || entries.Count == 0) return;
        json.WriteStartArray("completion_probabilities");
        foreach (var entry in entries)
        {
            json.WriteStartObject();
            WriteToken(json, entry.Token, entry.Logprob);
            json.WriteStartArray(request.AfterSampling ? "top_probs" : "top_logprobs");
            foreach (var other in entry.Top)
            {
                json.WriteStartObject();
                WriteToken(json, other.Token, other.Logprob);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private void WriteToken(Utf8JsonWriter json, int token, float logprob)
    {
        var bytes = texts.Bytes(token);
        json.WriteNumber("id", token);
        json.WriteString("token", Encoding.UTF8.GetString(bytes));
        json.WriteStartArray("bytes");
        foreach (var value in bytes) json.WriteNumberValue(value);
        json.WriteEndArray();
        if (request.AfterSampling) json.WriteNumber("prob", Math.Exp(logprob));
        else json.WriteNumber("logprob", float.IsNegativeInfinity(logprob) ? -9999 : logprob);
    }
}
