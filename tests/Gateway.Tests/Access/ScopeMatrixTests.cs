using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

public class ScopeMatrixTests
{
    /// <summary>Rows: an endpoint and the single grants that open it; all others must not.</summary>
    public static TheoryData<ApiEndpoint, Grants> Rows() => new()
    {
        { ApiEndpoint.ChatCompletions, Grants.Chat },
        { ApiEndpoint.Completions, Grants.Completions },
        { ApiEndpoint.Embeddings, Grants.Embeddings },
        { ApiEndpoint.Rerank, Grants.Rerank },
        { ApiEndpoint.Responses, Grants.Responses },
        { ApiEndpoint.Messages, Grants.Messages },
        { ApiEndpoint.Tokenize, Grants.Tokenize },
        { ApiEndpoint.ListModels, Grants.Models },
        { ApiEndpoint.Metrics, Grants.Metrics },
        { ApiEndpoint.Admin, Grants.Admin },
    };

    private static readonly Grants[] Single = [.. Enum.GetValues<Grants>().Where(grant => grant != Grants.None && grant != Grants.Inference)];

    [Theory]
    [MemberData(nameof(Rows))]
    public void One_grant_opens_one_endpoint(ApiEndpoint endpoint, Grants opener)
    {
        foreach (var grant in Single) Assert.Equal(grant == opener, ScopeMatrix.Allows(new KeyScopes(grant, ["*"]), endpoint));
        Assert.False(ScopeMatrix.Allows(new KeyScopes(Grants.None, ["*"]), endpoint));
        Assert.Equal(opener is not Grants.Admin and not Grants.Metrics, ScopeMatrix.Allows(new KeyScopes(Grants.Inference, ["*"]), endpoint));
    }

    [Fact]
    public void The_table_is_whole()
    {
        var rows = Rows().Select(row => row.Data.Item1).Append(ApiEndpoint.Public).Append(ApiEndpoint.Unknown);
        Assert.Equal(Enum.GetValues<ApiEndpoint>().Order(), rows.Order());
        foreach (var endpoint in Enum.GetValues<ApiEndpoint>()) ScopeMatrix.Needed(endpoint);
        Assert.Throws<ArgumentOutOfRangeException>(() => ScopeMatrix.Needed((ApiEndpoint)999));
    }

    [Theory]
    [InlineData("/v1/chat/completions", ApiEndpoint.ChatCompletions)]
    [InlineData("/V1/Chat/Completions/", ApiEndpoint.ChatCompletions)]
    [InlineData("/v1/chat/completions/input_tokens", ApiEndpoint.ChatCompletions)]
    [InlineData("/v1/completions", ApiEndpoint.Completions)]
    [InlineData("/v1/embeddings", ApiEndpoint.Embeddings)]
    [InlineData("/v1/rerank", ApiEndpoint.Rerank)]
    [InlineData("/v1/responses", ApiEndpoint.Responses)]
    [InlineData("/v1/messages", ApiEndpoint.Messages)]
    [InlineData("/v1/messages/count_tokens", ApiEndpoint.Messages)]
    [InlineData("/tokenize", ApiEndpoint.Tokenize)]
    [InlineData("/v1/models", ApiEndpoint.ListModels)]
    [InlineData("/v1/models/smollm2", ApiEndpoint.ListModels)]
    [InlineData("/metrics", ApiEndpoint.Metrics)]
    [InlineData("/admin", ApiEndpoint.Public)]
    [InlineData("/admin/models", ApiEndpoint.Admin)]
    [InlineData("/ui/admin.js", ApiEndpoint.Public)]
    [InlineData("/openapi.json", ApiEndpoint.Public)]
    [InlineData("/reference/v1", ApiEndpoint.Public)]
    [InlineData("/references", ApiEndpoint.Unknown)]
    [InlineData("/admin/keys/0123", ApiEndpoint.Admin)]
    [InlineData("/ADMIN/keys", ApiEndpoint.Admin)]
    [InlineData("/administer", ApiEndpoint.Unknown)]
    [InlineData("/health", ApiEndpoint.Public)]
    [InlineData("/", ApiEndpoint.Public)]
    [InlineData("/v1/unheard-of", ApiEndpoint.Unknown)]
    [InlineData("//admin/keys", ApiEndpoint.Unknown)]
    [InlineData("/v1/chat/completions/../../../admin", ApiEndpoint.Unknown)]
    public void A_path_is_one_endpoint(string path, ApiEndpoint endpoint) => Assert.Equal(endpoint, ApiEndpoints.Of(path));

    [Theory]
    [InlineData("*", "anything", true)]
    [InlineData("smollm2-135m", "SmolLM2-135M", true)]
    [InlineData("smollm2-*", "smollm2-135m", true)]
    [InlineData("smollm2-*", "qwen2", false)]
    [InlineData("q?en", "qwen", true)]
    [InlineData("qwen", "qwen2", false)]
    [InlineData("", "qwen2", false)]
    [InlineData(@"a\*", "a*", false)]
    [InlineData(@"a\*", @"a\b", true)]
    public void Models_are_matched_by_globs(string pattern, string model, bool allowed) =>
        Assert.Equal(allowed, ScopeMatrix.AllowsModel(new KeyScopes(Grants.Inference, [pattern]), model));

    [Fact]
    public void No_pattern_is_no_model() => Assert.False(ScopeMatrix.AllowsModel(new KeyScopes(Grants.Inference, []), "m"));
}
