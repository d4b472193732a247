using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

public class ScopeMatrixTests
{
    /// <summary>Rows: an endpoint and the single grants that open it; all others must not.</summary>
    public static TheoryData<Endpoint, Grants> Rows() => new()
    {
        { Endpoint.ChatCompletions, Grants.Chat },
        { Endpoint.Completions, Grants.Completions },
        { Endpoint.Embeddings, Grants.Embeddings },
        { Endpoint.Rerank, Grants.Rerank },
        { Endpoint.Responses, Grants.Responses },
        { Endpoint.Messages, Grants.Messages },
        { Endpoint.Tokenize, Grants.Tokenize },
        { Endpoint.ListModels, Grants.Models },
        { Endpoint.Metrics, Grants.Metrics },
        { Endpoint.Admin, Grants.Admin },
    };

    private static readonly Grants[] Single = [.. Enum.GetValues<Grants>().Where(grant => grant != Grants.None && grant != Grants.Inference)];

    [Theory]
    [MemberData(nameof(Rows))]
    public void One_grant_opens_one_endpoint(Endpoint endpoint, Grants opener)
    {
        foreach (var grant in Single) Assert.Equal(grant == opener, ScopeMatrix.Allows(new KeyScopes(grant, ["*"]), endpoint));
        Assert.False(ScopeMatrix.Allows(new KeyScopes(Grants.None, ["*"]), endpoint));
        Assert.Equal(opener is not Grants.Admin and not Grants.Metrics, ScopeMatrix.Allows(new KeyScopes(Grants.Inference, ["*"]), endpoint));
    }

    [Fact]
    public void The_table_is_whole()
    {
        var rows = Rows().Select(row => row.Data.Item1).Append(Endpoint.Public).Append(Endpoint.Unknown);
        Assert.Equal(Enum.GetValues<Endpoint>().Order(), rows.Order());
        foreach (var endpoint in Enum.GetValues<Endpoint>()) ScopeMatrix.Needed(endpoint);
        Assert.Throws<ArgumentOutOfRangeException>(() => ScopeMatrix.Needed((Endpoint)999));
    }

    [Theory]
    [InlineData("/v1/chat/completions", Endpoint.ChatCompletions)]
    [InlineData("/V1/Chat/Completions/", Endpoint.ChatCompletions)]
    [InlineData("/v1/completions", Endpoint.Completions)]
    [InlineData("/v1/embeddings", Endpoint.Embeddings)]
    [InlineData("/v1/rerank", Endpoint.Rerank)]
    [InlineData("/v1/responses", Endpoint.Responses)]
    [InlineData("/v1/messages", Endpoint.Messages)]
    [InlineData("/v1/messages/count_tokens", Endpoint.Messages)]
    [InlineData("/tokenize", Endpoint.Tokenize)]
    [InlineData("/v1/models", Endpoint.ListModels)]
    [InlineData("/v1/models/smollm2", Endpoint.ListModels)]
    [InlineData("/metrics", Endpoint.Metrics)]
    [InlineData("/admin", Endpoint.Admin)]
    [InlineData("/admin/keys/0123", Endpoint.Admin)]
    [InlineData("/ADMIN/keys", Endpoint.Admin)]
    [InlineData("/administer", Endpoint.Unknown)]
    [InlineData("/health", Endpoint.Public)]
    [InlineData("/", Endpoint.Public)]
    [InlineData("/v1/unheard-of", Endpoint.Unknown)]
    [InlineData("//admin/keys", Endpoint.Unknown)]
    [InlineData("/v1/chat/completions/../../../admin", Endpoint.Unknown)]
    public void A_path_is_one_endpoint(string path, Endpoint endpoint) => Assert.Equal(endpoint, Endpoints.Of(path));

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
