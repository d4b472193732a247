using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Jobs;

namespace FinerCut.FakeWorker;

/// <summary>Goes through the motions of a prune job: steps with a checkpoint each, then the model file copied as the lean one.</summary>
public static class FakePrune
{
    public static async Task<int> RunAsync(string jobFile)
    {
        var request = JsonSerializer.Deserialize(await File.ReadAllTextAsync(jobFile), ContractJson.Default.PruneRequest)!;
        var script = Script.Read(null);
        using var stop = new CancellationTokenSource();
        using var term = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            stop.Cancel();
        });
        Directory.CreateDirectory(request.WorkFolder);
        var checkpoint = Path.Combine(request.WorkFolder, "checkpoint");
        var done = File.Exists(checkpoint) ? int.Parse(await File.ReadAllTextAsync(checkpoint)) : 0;
        var resumed = done > 0;
        var before = done;
        if (!File.Exists(request.CalibrationPath) || !File.Exists(request.HeldOutPath)) return Fail(request, "traffic_missing", "No traffic files.");
        for (var step = done + 1; step <= script.PruneSteps; step++)
        {
            try
            {
                await Task.Delay(TimeSpan.FromMilliseconds(script.PruneStepMs), TimeProvider.System, stop.Token);
            }
            catch (OperationCanceledException)
            {
                Say(new PruneLine(Result: new PruneResult { JobId = request.JobId, Outcome = PruneOutcome.Interrupted }));
                return ExitCode.Interrupted;
            }

            // Whole or not at all, as the real one's: it may be killed in any moment.
            await File.WriteAllTextAsync(checkpoint + ".new", $"{step}");
            File.Move(checkpoint + ".new", checkpoint, overwrite: true);
            Say(new PruneLine(Progress: new PruneProgress(PrunePhase.Search, step, script.PruneSteps, $"attn:{step}", 0.01 * step, 1000L * step, step, step, 0)));
            if (script.PruneDieAt == step && !resumed) Environment.FailFast("told to die");
        }

        if (script.PruneOutcome == "failed") return Fail(request, "fake", "told to fail");
        var passed = script.PruneOutcome == "passed";
        var gate = new GateReport(passed, [new GateCheck("mean_kl", new Estimate(0.1, 0.05, passed ? 0.2 : 0.9), request.Gate.MaxMeanKl, passed)], 4, 400, 0);
        if (passed) File.Copy(request.ModelPath, request.OutputPath, overwrite: true);
        var figures = new ModelFigures(1000, 60, 100, null, null, "00");
        Say(new PruneLine(Result: new PruneResult
        {
            JobId = request.JobId,
            Outcome = passed ? PruneOutcome.Passed : PruneOutcome.Refused,
            OutputPath = passed ? request.OutputPath : null,
            Gate = gate,
            Full = figures,
            Lean = figures with { FileBytes = 900 },
            Removed = [.. Enumerable.Range(1, script.PruneSteps).Select(step => $"attn:{step}")],
            Blocks = 30,
            // Steps of this run alone: a resumed job does fewer.
            Evaluations = script.PruneSteps - before,
            Seconds = 1,
            Steps = ImmutableArray<PruneStep>.Empty,
        }));
        return passed ? ExitCode.Success : ExitCode.Refused;
    }

    private static int Fail(PruneRequest request, string code, string message)
    {
        Say(new PruneLine(Result: new PruneResult { JobId = request.JobId, Outcome = PruneOutcome.Failed, Error = new JobError(code, message) }));
        return ExitCode.Failed;
    }

    private static void Say(PruneLine line)
    {
        Console.WriteLine(JsonSerializer.Serialize(line, ContractJson.Default.PruneLine));
        Console.Out.Flush();
    }
}
