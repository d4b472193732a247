using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Embeddings;

/// <summary>A body of /v1/embeddings, checked.</summary>
internal sealed record EmbeddingRequest(ImmutableArray<TextPrompt> Inputs, bool AsBase64)
{
    /// <param name="length">Numbers of one embedding.</param>
    /// <exception cref="ApiException">400 with every fault.</exception>
    public static EmbeddingRequest Read(JsonElement root, int vocabularySize, int length)
    {
        var body = new FieldReader(root);
        var inputs = TextPrompts.Read(body, "input", vocabularySize);
        var isBase64 = body.Word("encoding_format", "float", "base64") == "base64";
        if (body.Integer("dimensions", 1, int.MaxValue) is { } dimensions && dimensions != length)
            body.Fault("dimensions", $"must be {length}, the length of this model's embeddings, or left out.", "invalid_value");
        body.Accept("model", "user");
        body.Close();
        body.ThrowIfFaulty();
        return new EmbeddingRequest(inputs, isBase64);
    }
}
