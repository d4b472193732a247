using System.Globalization;
using FinerCut.ScaleBench;

// dotnet run -c Release --project bench/ScaleBench [-- SEED]: a 70B-shaped search over 1 to 64 simulated machines.
// … -- overhead: what the real path takes beside the model's own time.
if (args is ["overhead"])
{
    await Overhead.RunAsync();
    return;
}

var seed = args is [var given, ..] ? int.Parse(given, CultureInfo.InvariantCulture) : 1;
(string Name, SearchShape Shape)[] shapes =
[
    ("paper's calibration set (20 batches)", new SearchShape()),
    ("four times the calibration set (80 batches)", new SearchShape { Batches = 80 }),
    ("each machine fails every 2 hours", new SearchShape { HoursBetweenFailures = 2 }),
    ("speeds spread by 30 %", new SearchShape { Spread = 0.3 }),
    ("a model 20 times faster (3.5B)", new SearchShape { BatchSeconds = 0.008 }),
];
foreach (var (name, shape) in shapes)
{
    Console.WriteLine(FormattableString.Invariant($"\n{name}\n| machines | hours | efficiency | scored twice | failures |\n|---|---|---|---|---|"));
    foreach (var hosts in (int[])[1, 2, 4, 8, 16, 32, 64])
    {
        var times = DealSimulation.Run(shape, hosts, seed);
        Console.WriteLine(FormattableString.Invariant($"| {hosts} | {times.Seconds / 3600:F2} | {times.Efficiency(hosts):P1} | {times.Twice / (double)times.Evaluations:P2} | {times.Failures} |"));
    }
}
