using System.Text.Json.Nodes;

namespace FinerCut.FunctionalTests.Hosting;

/// <summary>
/// The real loop, gone through once for all tests of the collection: a gateway on the embedded model, traffic recorded through its public
/// endpoint, a prune job ordered through its admin endpoint, the lean version active. Small sets, wide gate: the tests are about the machinery.
/// </summary>
public sealed class LeanGateway : IAsyncLifetime
{
    public const string Collection = "lean gateway";

    private static readonly string[] Subjects =
        ["bread", "rain", "the moon", "a bicycle", "tea", "music", "glass", "the sea", "a library", "winter", "a clock", "salt", "a bridge", "wool", "honey", "a map", "wind", "paper", "a garden", "snow"];

    private readonly TempFolder _folder = new();

    internal GatewayProcess Gateway { get; private set; } = null!;

    /// <summary>The job as it ended.</summary>
    internal JsonNode Job { get; private set; } = null!;

    internal string Lean => Job["version"]!.GetValue<string>();

    internal string StateFolder => _folder["state"];

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await StartAsync(cancellationToken);
        await RecordAsync(cancellationToken);
        Job = await PruneAsync(
            new JsonObject
            {
                ["healing"] = "none", ["budget"] = new JsonObject { ["sublayers"] = 2 },
                ["max_calibration_tokens"] = 240,
                ["max_sequence_tokens"] = 48,
                ["max_held_out_tokens"] = 384,
                ["min_tokens"] = 128,

                // The last twelve blocks are enough to choose from, and score in half the time.
                ["keep"] = new JsonArray([.. Enumerable.Range(0, 18).SelectMany(block => new[] { $"attn:{block}", $"ffn:{block}" }).Select(name => JsonValue.Create(name))]),
                ["gate"] = new JsonObject { ["max_mean_kl"] = 5, ["min_top1_agreement"] = 0.1, ["max_answer_nll_increase"] = 5, ["max_general_nll_increase"] = 5, ["min_common_prefix"] = 0 },
            },
            cancellationToken);
        Assert.True(Job["state"]!.GetValue<string>() == "passed", $"{Job.ToJsonString()}\n{Gateway.Process.Output}\n{Gateway.Process.Errors}");
    }

    /// <summary>
    /// One thread a process: ggml spins at its barriers, so workers with a thread a core, beside each other and beside other test programs,
    /// would wait for each other most of the time.
    /// </summary>
    internal async Task StartAsync(CancellationToken cancellationToken) => Gateway = await GatewayProcess.StartAsync(
        StateFolder, cancellationToken,
        $"--Models:{Checkout.ModelId}:Path", Checkout.Model, $"--Models:{Checkout.ModelId}:Recording:Enabled", "true",
        $"--Models:{Checkout.ModelId}:Threads", "1", "--Jobs:Threads", "1");

    /// <summary>Traffic for jobs: twenty short conversations, recorded.</summary>
    internal async Task RecordAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async stream =>
        {
            for (var subject = stream; subject < Subjects.Length; subject += 4) await Gateway.ChatAsync($"Tell me two things about {Subjects[subject]}.", cancellationToken, maxTokens: 32);
        }));
        await Gateway.WaitForAsync($"/admin/models/{Checkout.ModelId}/recording", view => view["pending"]!.GetValue<long>() == 0, TimeSpan.FromMinutes(2), cancellationToken);
    }

    /// <summary>Orders a job and waits for its end.</summary>
    internal async Task<JsonNode> PruneAsync(JsonObject order, CancellationToken cancellationToken)
    {
        var (status, job) = await Gateway.AdminPostAsync($"/admin/models/{Checkout.ModelId}/prune", order, cancellationToken);
        Assert.True(status == 202, job.ToJsonString());
        return await Gateway.WaitForAsync($"/admin/jobs/{job["id"]}", view => view["state"]!.GetValue<string>() is not ("queued" or "running"), TimeSpan.FromMinutes(12), cancellationToken);
    }

    internal async Task<string?> ActiveAsync(CancellationToken cancellationToken) =>
        (await Gateway.AdminGetAsync($"/admin/models/{Checkout.ModelId}", cancellationToken))["active"]?.GetValue<string>();

    internal async Task PromoteAsync(string version, CancellationToken cancellationToken)
    {
        var (status, body) = await Gateway.AdminPostAsync($"/admin/models/{Checkout.ModelId}/promote", new JsonObject { ["version"] = version }, cancellationToken);
        Assert.True(status == 200, body.ToJsonString());
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        _folder.Dispose();
    }
}

[CollectionDefinition(LeanGateway.Collection)]
public sealed class LeanGatewayTests : ICollectionFixture<LeanGateway>;
