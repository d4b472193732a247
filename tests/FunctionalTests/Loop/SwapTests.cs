using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Loop;

[Collection(LeanGateway.Collection)]
public class SwapTests(LeanGateway lean)
{
    [Fact]
    public async Task A_passed_job_shows_what_it_did_and_its_version_is_one_of_the_models()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var result = lean.Job["result"]!;
        Assert.Equal("passed", result["outcome"]!.GetValue<string>());
        Assert.Equal(2, result["removed"]!.AsArray().Count);
        Assert.Equal(2, result["steps"]!.AsArray().Count);
        Assert.Equal(60, result["full"]!["sublayers"]!.GetValue<int>());
        Assert.Equal(58, result["lean"]!["sublayers"]!.GetValue<int>());
        Assert.Equal(0, result["gate"]!["masked_file_max_difference"]!.GetValue<double>());
        Assert.True(result["lean"]!["file_bytes"]!.GetValue<long>() < result["full"]!["file_bytes"]!.GetValue<long>());
        var model = await lean.Gateway.AdminGetAsync($"/admin/models/{Checkout.ModelId}", cancellationToken);
        var version = Assert.Single(model["versions"]!.AsArray(), version => version!["version"]!.GetValue<string>() == lean.Lean)!;
        Assert.True(File.Exists(version["path"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Ten_swaps_under_eight_streams_lose_cut_and_mix_nothing()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var enough = new CancellationTokenSource();
        using var news = new SemaphoreSlim(0);
        var load = StreamLoad.RunAsync(lean.Gateway, streams: 8, maxTokens: 24, () => news.Release(), enough.Token, cancellationToken);
        try
        {
            for (var swap = 0; swap < 10; swap++)
            {
                await lean.PromoteAsync(await lean.ActiveAsync(cancellationToken) == lean.Lean ? "full" : lean.Lean, cancellationToken);

                // At least one more answer a stream between swaps, so that old and new streams overlap at each.
                for (var answer = 0; answer < 4; answer++) Assert.True(await news.WaitAsync(TimeSpan.FromMinutes(5), cancellationToken), "No stream ended for five minutes.");
            }
        }
        finally
        {
            await enough.CancelAsync();
        }

        var ends = await load;
        Assert.All(ends, end => Assert.True(end.Error is null && end.Versions.Count == 1, $"{end.Error} {string.Join(',', end.Versions)}"));
        Assert.Equal(2, ends.Select(end => end.Versions[0]).Distinct().Count());
    }

    [Fact]
    public async Task Rollback_leads_to_the_replaced_version_and_state_survives_a_restart()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        if (await lean.ActiveAsync(cancellationToken) != "full") await lean.PromoteAsync("full", cancellationToken);
        await lean.PromoteAsync(lean.Lean, cancellationToken);
        var (status, body) = await lean.Gateway.AdminPostAsync($"/admin/models/{Checkout.ModelId}/rollback", null, cancellationToken);
        Assert.True(status == 200, body.ToJsonString());
        Assert.Equal("full", await lean.ActiveAsync(cancellationToken));
        await lean.PromoteAsync(lean.Lean, cancellationToken);
        var jobs = (await lean.Gateway.AdminGetAsync("/admin/jobs", cancellationToken))["jobs"]!.AsArray().Count;

        lean.Gateway.Process.Signal(15);
        Assert.Equal(0, await lean.Gateway.Process.WaitForExitAsync(cancellationToken));
        await lean.StartAsync(cancellationToken);
        Assert.Equal(lean.Lean, await lean.ActiveAsync(cancellationToken));
        Assert.Equal(jobs, (await lean.Gateway.AdminGetAsync("/admin/jobs", cancellationToken))["jobs"]!.AsArray().Count);
        var answer = await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
        Assert.Contains(lean.Lean, answer["system_fingerprint"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_gate_refuses_a_cut_of_forty_percent_and_the_route_stays()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var before = await lean.ActiveAsync(cancellationToken);
        var job = await lean.PruneAsync(
            new JsonObject { ["healing"] = "none", ["grains"] = new JsonArray("block"), ["budget"] = new JsonObject { ["fraction"] = 0.4 }, ["max_calibration_tokens"] = 160, ["max_held_out_tokens"] = 384, ["min_tokens"] = 64, ["max_sequence_tokens"] = 40 },
            cancellationToken);
        Assert.Equal("refused", job["state"]!.GetValue<string>());
        Assert.Contains("mean_kl", job["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains(job["result"]!["gate"]!["checks"]!.AsArray(), check => !check!["passed"]!.GetValue<bool>());
        Assert.Equal(before, await lean.ActiveAsync(cancellationToken));
        Assert.False(File.Exists(Path.Combine(lean.StateFolder, "versions", Checkout.ModelId, job["version"]!.GetValue<string>() + ".gguf")));
        await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
    }

    [Fact]
    public async Task A_worker_killed_in_a_stream_ends_it_with_a_typed_error_and_the_next_request_succeeds()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
        var worker = (await lean.Gateway.AdminGetAsync("/admin/workers", cancellationToken))["workers"]!.AsArray()
            .Single(worker => worker!["state"]!.GetValue<string>() == "ready")!["process_id"]!.GetValue<int>();
        var pieces = 0;
        var end = await StreamLoad.StreamAsync(
            lean.Gateway,
            "Write a very long story about a lighthouse.",
            2000,
            _ =>
            {
                if (++pieces == 3) ChildProcess.Signal(worker, 9);
            },
            cancellationToken);
        Assert.Equal("server_error/worker_died", end.Error);
        Assert.True(end.Text.Length > 0);
        await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
        Assert.False(lean.Gateway.Process.HasExited);
    }
}
