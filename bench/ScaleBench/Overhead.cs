using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.ScaleBench;

/// <summary>
/// What the real path takes beside the model's own time: dealing, JSON, HTTP to a Worker with the verb score on this machine, and back. No token of the calibration set counts, so nothing
/// is decoded; all else is as in a search of 160 sublayers on 20 batches.
/// </summary>
internal static class Overhead
{
    private const int Batches = 20;
    private const int Rounds = 30;

    public static async Task RunAsync()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-scale-");
        try
        {
            var path = new TinyModel { Seed = 1, Blocks = 80, Embedding = 32, Heads = 2, KvHeads = 1, FeedForward = 32 }.WriteTo(Path.Combine(folder.FullName, "model.gguf"));
            using var worker = Start(path);
            try
            {
                var line = await worker.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The scorer ended.");
                await MeasureAsync(path, JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine)!.Listening);
            }
            finally
            {
                worker.Kill(entireProcessTree: true);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task MeasureAsync(string path, string url)
    {
        using var model = NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, default);
        using var file = Gguf.GgufFile.Open(path);
        var units = UnitMap.Sublayers(ModelShapeReader.Read(file.Model));
        // Only the answer's tokens count, and there is no answer.
        var set = new CalibrationSet("none", [.. Enumerable.Range(0, Batches).Select(at => new TokenSequence($"{at}", [.. Enumerable.Repeat(5, 128)], 128))]);
        var options = new ScoringOptions(1) { Tokens = DistanceTokens.Answers };
        using var own = new ModelBatchScorer(model, units, set, DistanceKind.JensenShannon, options);
        var opening = ScoreOpening.Of(Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(path))), units, set, DistanceKind.JensenShannon, options);
        using var host = new HostScorer(new ScorerAddress(url, "key"), opening, new ScoreOpened(own.Rows, 0), TimeProvider.System);
        await host.Opened;
        if (host.LeftOut is { } reason) throw new InvalidOperationException(reason);
        CutMask[] masks = [.. Enumerable.Range(0, units.Count).Select(unit => CutMask.None(units).With(unit))];
        var dealt = new DealtScorer(units, own.Rows, [host], TimeProvider.System);
        var alone = new DealtScorer(units, own.Rows, [own], TimeProvider.System);
        Time(dealt, masks, 3);
        Time(alone, masks, 3);
        var (many, here) = (Time(dealt, masks, Rounds), Time(alone, masks, Rounds));
        var trips = new double[2000];
        for (var at = 0; at < trips.Length; at++)
        {
            var began = Stopwatch.GetTimestamp();
            await host.SumsAsync(masks[0], [masks[1]], 0, default);
            trips[at] = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        }

        Array.Sort(trips);
        Console.WriteLine(FormattableString.Invariant($"a mask on {Batches} batches, {masks.Length} masks a step, {Rounds} steps: {many[Rounds / 2]:F3} ms over HTTP (median; best {many[0]:F3}, worst {many[^1]:F3}), {here[Rounds / 2]:F3} ms without"));
        Console.WriteLine(FormattableString.Invariant($"one share of one mask there and back: {trips[1000]:F3} ms (median), {trips[1980]:F3} ms (p99)"));
    }

    /// <summary>Milliseconds a mask in each round, the least first: what else the machine does makes single rounds longer.</summary>
    private static double[] Time(DealtScorer scorer, CutMask[] masks, int rounds)
    {
        var times = new double[rounds];
        for (var round = 0; round < rounds; round++)
        {
            var began = Stopwatch.GetTimestamp();
            scorer.Score(masks, 1, default);
            times[round] = Stopwatch.GetElapsedTime(began).TotalMilliseconds / masks.Length;
        }

        Array.Sort(times);
        return times;
    }

    private static Process Start(string model)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var worker = Path.Combine(here.Parent!.Parent!.FullName, "Worker", here.Name, "FinerCut.Worker");
        return Process.Start(new ProcessStartInfo(worker, ["score", "--model", model, "--threads", "1"]) { RedirectStandardOutput = true, Environment = { ["LLAMA_API_KEY"] = "key" } })!;
    }
}
