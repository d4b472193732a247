using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.TestModels;

namespace FinerCut.Tests.Prune;

/// <summary>The prune verb as the Gateway starts it: a process, a job file, lines on standard output, signals, an exit code.</summary>
public sealed partial class PruneVerbTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    private readonly PruneFolder _folder = new();

    private PruneRequest Request => _folder.Request with { Budget = new PruneBudget(Sublayers: 3) };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Stopped_by_a_signal_it_writes_its_checkpoint_and_resumes_to_the_same_result()
    {
        WriteInputs(blocks: 8);
        var undisturbed = await RunAsync(Request with { WorkFolder = At("undisturbed") });
        Assert.Equal((ExitCode.Success, PruneOutcome.Passed), (undisturbed.Code, undisturbed.Result.Outcome));

        var stopped = await RunAsync(Request, signalAfter: 5);
        Assert.Equal((ExitCode.Interrupted, PruneOutcome.Interrupted), (stopped.Code, stopped.Result.Outcome));
        Assert.True(File.Exists(At("work/checkpoint.json")));
        Assert.False(File.Exists(At("lean.gguf.unproven")));

        var resumed = await RunAsync(Request);
        Assert.Equal(ExitCode.Success, resumed.Code);
        Assert.Equal(undisturbed.Result.Steps.Select(step => (step.Removed, step.Distance, step.Evaluations)), resumed.Result.Steps.Select(step => (step.Removed, step.Distance, step.Evaluations)));
        Assert.Equal(undisturbed.Result.Lean!.Sha256, resumed.Result.Lean!.Sha256);
        var kept = JsonSerializer.Deserialize(File.ReadAllBytes(At("work/result.json")), ContractJson.Default.PruneResult)!;
        Assert.Equal(resumed.Result.Lean.Sha256, kept.Lean!.Sha256);
    }

    /// <summary>
    /// Killed without warning, again and again, at points drawn over the whole job (search, healing, writing, gate): started again each time it comes to the same file,
    /// steps and verdict as one that nobody disturbed, and leaves no half of a file behind.
    /// </summary>
    [Fact]
    public async Task Killed_at_random_points_it_resumes_to_the_same_result()
    {
        WriteInputs(blocks: 6);
        var request = Request with { Budget = new PruneBudget(Fraction: 0.3), Healing = HealingKind.Auto, MaxHealingTokens = 300, Search = SearchKind.Local };
        var lines = 0;
        File.WriteAllText(At("job.json"), JsonSerializer.Serialize(request with { WorkFolder = At("undisturbed") }, ContractJson.Default.PruneRequest));
        var undisturbed = await StartAsync(At("job.json"), null, _ => lines++);
        Assert.Equal(PruneOutcome.Passed, undisturbed.Result!.Outcome);
        File.Delete(request.OutputPath);

        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        File.WriteAllText(At("job.json"), JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest));
        var killed = 0;
        foreach (var point in Enumerable.Range(0, 4).Select(_ => random.Next(1, lines)).Order())
        {
            var seen = 0;
            var (_, result) = await StartAsync(At("job.json"), null, process => { if (++seen == point) Assert.Equal(0, Kill(process, 9)); });
            if (result is null) killed++;
        }

        Assert.True(killed > 0, $"nothing was killed; seed {seed}");
        var resumed = await StartAsync(At("job.json"), null);
        Assert.Equal(ExitCode.Success, resumed.Code);
        Assert.Equal(undisturbed.Result.Steps.Select(step => (step.Removed, step.Distance, step.Evaluations)), resumed.Result!.Steps.Select(step => (step.Removed, step.Distance, step.Evaluations)));
        Assert.Equal(undisturbed.Result.Gate!.Checks, resumed.Result.Gate!.Checks);
        Assert.Equal(undisturbed.Result.Healed, resumed.Result.Healed);
        Assert.Equal(undisturbed.Result.Lean!.Sha256, resumed.Result.Lean!.Sha256);
        Assert.Empty(Directory.GetFiles(_folder.At(""), "*.unproven", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_refusal_has_its_own_exit_code_and_leaves_no_file()
    {
        WriteInputs(blocks: 3);
        var refused = await RunAsync(Request with { Gate = new GateThresholds { MaxMeanKl = 1e-9 } });
        Assert.Equal((ExitCode.Refused, PruneOutcome.Refused), (refused.Code, refused.Result.Outcome));
        Assert.False(refused.Result.Gate!.Passed);
        Assert.False(File.Exists(Request.OutputPath));
    }

    [Fact]
    public async Task Bad_input_is_told_before_anything_is_begun()
    {
        WriteInputs(blocks: 3);
        File.WriteAllText(At("calibration.jsonl"), """{"id":"a","prompt":"x","secret text":1}""");
        var traffic = await RunAsync(Request);
        Assert.Equal((ExitCode.BadInput, "bad_traffic"), (traffic.Code, traffic.Result.Error!.Code));
        Assert.Contains("calibration.jsonl, line 1", traffic.Result.Error.Message, StringComparison.Ordinal);

        var values = await RunAsync(Request with { MaxSequenceTokens = 1, Threads = -1, GpuLayers = -2 });
        Assert.Equal((ExitCode.BadInput, "bad_request"), (values.Code, values.Result.Error!.Code));
        Assert.Contains("max_sequence_tokens: 1", values.Result.Error.Message, StringComparison.Ordinal);
        Assert.Contains("threads: -1", values.Result.Error.Message, StringComparison.Ordinal);
        Assert.Contains("gpu_layers: -2", values.Result.Error.Message, StringComparison.Ordinal);

        File.WriteAllText(At("job.json"), """{"job_id":"j","surprise":1}""");
        var (code, result) = await StartAsync(At("job.json"), null);
        Assert.Equal((ExitCode.BadInput, "bad_request"), (code, result!.Error!.Code));
    }

    private void WriteInputs(int blocks)
    {
        new TinyModel { Seed = 51, Blocks = blocks, Embedding = 64, Heads = 4, KvHeads = 2, FeedForward = 128, Weights = GgmlType.Q8_0 }.WriteTo(Request.ModelPath);
        _folder.WriteTraffic();
    }

    private async Task<(int Code, PruneResult Result)> RunAsync(PruneRequest request, int? signalAfter = null)
    {
        File.WriteAllText(At("job.json"), JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest));
        var (code, result) = await StartAsync(At("job.json"), signalAfter);
        Assert.NotNull(result);
        return (code, result);
    }

    /// <param name="seen">Told of every line, with the process's number.</param>
    /// <returns>No result where it was killed.</returns>
    private static async Task<(int Code, PruneResult? Result)> StartAsync(string job, int? signalAfter, Action<int>? seen = null)
    {
        using var process = Process.Start(new ProcessStartInfo(WorkerProgram.Path, ["prune", "--job", job]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        PruneResult? result = null;
        using var patience = new CancellationTokenSource(Patience);
        while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } text)
        {
            var line = JsonSerializer.Deserialize(text, ContractJson.Default.PruneLine)!;
            result = line.Result ?? result;
            seen?.Invoke(process.Id);
            if (signalAfter is { } evaluations && line.Progress?.Evaluations == evaluations) Assert.Equal(0, Kill(process.Id, 15));
        }

        await process.WaitForExitAsync(patience.Token);
        Assert.True(result is not null || seen is not null, $"no result; standard error: {await errors}");
        return (process.ExitCode, result);
    }

    private string At(string name) => _folder.At(name);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
