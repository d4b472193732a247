using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.BadInput;

/// <summary>A job that is to compute on a GPU, of natives that drive none.</summary>
[Collection(LeanGateway.Collection)]
public class MissingGpuTests(LeanGateway lean)
{
    [Fact]
    public async Task A_job_for_a_GPU_says_which_build_has_one_and_the_route_goes_on()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var before = await lean.ActiveAsync(cancellationToken);
        var job = await lean.PruneAsync(
            new JsonObject { ["gpu_layers"] = 99, ["healing"] = "none", ["budget"] = new JsonObject { ["sublayers"] = 1 }, ["max_calibration_tokens"] = 160, ["max_held_out_tokens"] = 160, ["min_tokens"] = 64 },
            cancellationToken);
        Assert.Equal("failed", job["state"]!.GetValue<string>());
        Assert.Equal("runtime_failed", job["error"]!["code"]!.GetValue<string>());
        Assert.Contains("99 layers are wanted on a GPU", job["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("LlamaBackend", job["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(before, await lean.ActiveAsync(cancellationToken));
        await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
    }
}
