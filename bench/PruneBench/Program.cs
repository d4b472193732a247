using System.Diagnostics;
using System.Globalization;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.PruneBench;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;

// PruneBench TRAFFIC.jsonl traffic OUT-FOLDER       recorded conversations for the prune verb
// PruneBench TRAFFIC.jsonl search TOKENS COUNT ROW...  searches for COUNT sublayers ([healed:] paper, lazy, racing, surgeon, mask:SUBLAYER,...) against naive: evaluations, seconds, held-out KL
// PruneBench TRAFFIC.jsonl curve TOKENS HELD-OUT-TOKENS SHARE SECONDS ROW...  each row's search to that share of the blocks' bytes (CurveBench says what a row is)
// PruneBench TRAFFIC.jsonl table FOLDER TOKENS FIT-TOKENS ROW...  the surgeon and baselines at 5, 10, 20 and 30 % of the blocks' bytes, not healed and (FIT-TOKENS > 0) healed; run again it goes on
// TRAFFIC.jsonl is made (88 prompts × 2, some minutes) where it is missing.
// FINERCUT_BENCH_THREADS: on a machine that others use, ggml's threads wait for each other at every node; one thread then is faster.
// FINERCUT_BENCH_SHARES: of the table, "0.05 0.1 0.2 0.3" where it is not set.
var threads = int.Parse(Environment.GetEnvironmentVariable("FINERCUT_BENCH_THREADS") ?? $"{Environment.ProcessorCount}");
var path = Path.Combine(FindRepository(), "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
using var model = NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, CancellationToken.None);
var traffic = ChatTraffic.Load(args[0], () => ChatTraffic.Make(model, rounds: 2, answerTokens: 120, threads));
switch (args[1])
{
    case "traffic":
        Directory.CreateDirectory(args[2]);
        var (calibration, heldOut) = ChatTraffic.Split(traffic, int.MaxValue, int.MaxValue, int.MaxValue);
        ChatTraffic.WriteRecorded(Path.Combine(args[2], "calibration.jsonl"), model, calibration.Sequences);
        ChatTraffic.WriteRecorded(Path.Combine(args[2], "held-out.jsonl"), model, heldOut.Sequences);
        break;
    case "search":
        new SearchBench(model, path, threads).Run(traffic, Number(2, 2560), Number(3, 15), args[4..]);
        break;
    case "table":
        new TableBench(model, path, threads, args[2]).Run(traffic, Number(3, 4000), Number(4, 0), args[5..]);
        break;
    case "curve":
        new CurveBench(model, path, threads).Run(traffic, Number(2, 1024), Number(3, 1536), double.Parse(args[4], CultureInfo.InvariantCulture), Number(5, 300), args[6..]);
        break;
    default:
        Console.Error.WriteLine("Expected traffic, search, curve or table.");
        return 2;
}

return 0;

int Number(int at, int otherwise) => args.Length > at ? int.Parse(args[at]) : otherwise;

static string FindRepository()
{
    var folder = new DirectoryInfo(AppContext.BaseDirectory);
    while (!File.Exists(Path.Combine(folder!.FullName, "FinerCut.Gateway.sln"))) folder = folder.Parent;
    return folder.FullName;
}
