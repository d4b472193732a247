using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Ranking;

/// <summary>A body of /v1/rerank, checked: Jina's shape ("documents"), or that of Text Embeddings Inference ("texts").</summary>
/// <param name="Field">The member that names the documents.</param>
/// <param name="Most">Results that are wanted.</param>
/// <param name="ReturnsTexts">The documents beside their scores.</param>
internal sealed record RankRequest(string Query, ImmutableArray<string> Documents, string Field, int Most, bool ReturnsTexts)
{
    private const int MostDocuments = 1024;
    private const int LongestDocument = 1 << 20;

    public bool IsBare => Field == "texts";

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static RankRequest Read(JsonElement root)
    {
        var body = new FieldReader(root);
        var query = body.Text("query");
        if (query is null && body.Any("query") is null) body.Fault("query", "is missing: a string.", "missing_required_parameter");
        var field = body.Any("texts") is null ? "documents" : "texts";
        if (field == "texts") body.Refuse("documents", "left out where there are texts");
        var documents = body.Any(field) is { ValueKind: JsonValueKind.Array } ? body.Texts(field, MostDocuments, LongestDocument) : [];
        if (documents.IsEmpty && !body.HasFaults) body.Fault(field, "must be an array of strings with at least one element.", "invalid_type");
        var most = (int)(body.Integer("top_n", 0, int.MaxValue) ?? int.MaxValue);
        var returns = body.Flag(field == "texts" ? "return_text" : "return_documents") ?? false;
        body.Refuse("truncate", "false", value => value.ValueKind == JsonValueKind.False);
        body.Refuse("raw_scores", "true", value => value.ValueKind == JsonValueKind.True);
        body.Accept("model", "user");
        body.Close();
        body.ThrowIfFaulty();
        return new RankRequest(query!, documents, field, most, returns);
    }
}
