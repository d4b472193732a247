using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Jobs;

namespace FinerCut.ServeBench;

/// <summary>
/// What a prune job on the same machine does to those who are being answered: the gaps between tokens of some streams, alone and beside a job in its search. Rounds
/// take turns with and without: the job is stopped and goes on from its checkpoint.
/// </summary>
internal static class BesideJob
{
    private const int Conversations = 8;

    /// <summary>More than one turn asks, so that none asks what another did.</summary>
    private const int AsksATurn = 1000;

    /// <summary>Longer than some evaluations of the job, so that a turn sees it decode and not only begin.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(60);

    /// <param name="streams">Answered at once.</param>
    /// <param name="rounds">Of each kind.</param>
    /// <param name="threads">The job's; 0 = its own choice.</param>
    /// <param name="yields">Whether it yields, as a gateway's jobs do.</param>
    public static async Task RunAsync(HttpTarget target, string model, int streams, int rounds, int threads, bool yields, CancellationToken stop)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-beside-job-").FullName;
        try
        {
            WriteJob(folder, model, threads, yields);
            var load = new Load(96, 32, streams);
            await target.RunAsync(load.Ask(MeasureKind.Decode, streams, 99));
            List<double> alone = [], beside = [];
            var evaluations = 0;
            for (var round = 0; round < rounds; round++)
            {
                alone.AddRange(await GapsAsync(target, load, streams, round * AsksATurn));
                await using var job = await Job.StartAsync(folder, stop);
                var before = job.Evaluations;
                beside.AddRange(await GapsAsync(target, load, streams, (rounds + round) * AsksATurn));
                evaluations += job.Evaluations - before;
            }

            alone.Sort();
            beside.Sort();
            Console.WriteLine($"\ngaps between tokens of {streams} streams, {alone.Count} alone and {beside.Count} beside a prune job that scored {evaluations} masks meanwhile");
            Console.WriteLine("| | alone, ms | beside, ms | ratio |\n|---|---|---|---|");
            foreach (var (name, share) in new[] { ("p50", 0.5), ("p90", 0.9), ("p99", 0.99) })
            {
                var (first, second) = (At(alone, share), At(beside, share));
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {first:0.0} | {second:0.0} | {second / first:0.00} |"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>One turn's, its streams asked again and again.</summary>
    private static async Task<List<double>> GapsAsync(HttpTarget target, Load load, int streams, int first)
    {
        List<double> gaps = [];
        var clock = Stopwatch.StartNew();
        for (var at = 0; clock.Elapsed < Turn; at++) gaps.AddRange((await target.RunAsync(load.Ask(MeasureKind.Decode, streams, first + at))).Gaps.Select(gap => gap.TotalMilliseconds));
        return gaps;
    }

    private static double At(List<double> sorted, double share) => sorted[Math.Min(sorted.Count - 1, (int)Math.Ceiling(share * sorted.Count) - 1)];

    private static void WriteJob(string folder, string model, int threads, bool yields)
    {
        foreach (var (name, seed) in new[] { ("calibration", 1), ("held-out", 2) })
        {
            File.WriteAllLines(Path.Combine(folder, name + ".jsonl"), Enumerable.Range(0, Conversations).Select(number => JsonSerializer.Serialize(
                new RecordedConversation { Id = $"{name} {number}", Prompt = Load.Text(60, (seed * 1000) + number), Answer = Load.Text(60, (seed * 5000) + number) }, ContractJson.Default.RecordedConversation)));
        }

        // More than a search gets through in the time of a bench.
        File.WriteAllText(Path.Combine(folder, "job.json"), JsonSerializer.Serialize(
            new PruneRequest
            {
                JobId = "bench", ModelPath = model, OutputPath = Path.Combine(folder, "lean.gguf"), WorkFolder = Path.Combine(folder, "work"), Budget = new PruneBudget(Fraction: 0.5), Threads = threads, Yield = yields,
                CalibrationPath = Path.Combine(folder, "calibration.jsonl"), HeldOutPath = Path.Combine(folder, "held-out.jsonl"), Search = SearchKind.Paper,
            },
            ContractJson.Default.PruneRequest));
    }

    /// <summary>A job as the gateway starts it, in its search.</summary>
    private sealed class Job : IAsyncDisposable
    {
        private readonly Process _process;
        private readonly TaskCompletionSource _searching = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _reading;
        private volatile int _evaluations;

        private Job(Process process)
        {
            _process = process;
            _reading = ReadAsync();
        }

        public int Evaluations => _evaluations;

        public static async Task<Job> StartAsync(string folder, CancellationToken stop)
        {
            var program = Path.Combine(AppContext.BaseDirectory.Replace("ServeBench", "Worker", StringComparison.Ordinal), "FinerCut.Worker");
            var job = new Job(Process.Start(new ProcessStartInfo(program, ["prune", "--job", Path.Combine(folder, "job.json"), "--supervised"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!);
            await job._searching.Task.WaitAsync(TimeSpan.FromMinutes(5), stop);
            return job;
        }

        public async ValueTask DisposeAsync()
        {
            // Its supervisor is gone: so is it. What it had scored is in the checkpoint up to ten seconds ago.
            _process.StandardInput.Close();
            await _process.WaitForExitAsync();
            await _reading;
            _process.Dispose();
        }

        private async Task ReadAsync()
        {
            while (await _process.StandardOutput.ReadLineAsync() is { } line)
            {
                var read = JsonSerializer.Deserialize(line, ContractJson.Default.PruneLine)!;
                if (read.Progress is { Phase: PrunePhase.Search, Evaluations: > 0 } progress)
                {
                    _evaluations = progress.Evaluations;
                    _searching.TrySetResult();
                }

                if (read.Result is { } result) _searching.TrySetException(new InvalidOperationException($"The job ended: {result.Outcome} {result.Error?.Message}"));
            }
        }
    }
}
