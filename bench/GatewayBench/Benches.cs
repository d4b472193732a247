using System.Diagnostics;

namespace FinerCut.GatewayBench;

/// <summary>
/// Streams through the gateway, through YARP alone and directly, in turn, so that whatever else the machine does hits both: of twenty chunks, 25 ms apart, as a model writes. One
/// stream alone has short ones for the first byte, of which the 99th of a hundred is looked at.
/// </summary>
internal static class LatencyBench
{
    private const int Rounds = 4;
    private const int FewChunks = 2;
    private const int ManyChunks = 20;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(3);

    /// <param name="gateway">And its mock.</param>
    /// <param name="counts">Of streams at a time.</param>
    public static async Task RunAsync(GatewayUnderTest gateway, IEnumerable<int> counts)
    {
        Console.WriteLine("| streams | requests | first byte p50, ms: direct, YARP, gateway, added (1) | p99: direct, YARP, gateway, added (3) | a chunk p50: direct, YARP, gateway, added (0.2) | µs of CPU a chunk: YARP, gateway |\n|---|---|---|---|---|---|");
        foreach (var streams in counts)
        {
            Sample[] samples = [new(), new(), new()];
            Uri[] addresses = [gateway.Direct, gateway.Bare, gateway.Gateway];
            var chunks = streams == 1 ? FewChunks : ManyChunks;
            foreach (var address in addresses) await RunAsync(address, streams, chunks, TimeSpan.FromSeconds(3), new Sample());
            for (var round = 0; round < Rounds; round++)
            {
                for (var way = 0; way < addresses.Length; way++) await RunAsync(addresses[way], streams, chunks, Round, samples[way]);
            }

            Sample[] paced = streams == 1 ? [new(), new(), new()] : samples;
            for (var round = 0; round < (streams == 1 ? Rounds / 2 : 0); round++)
            {
                for (var way = 0; way < addresses.Length; way++) await RunAsync(addresses[way], streams, ManyChunks, Round, paced[way]);
            }

            var costs = new List<string>();
            for (var way = 1; way < addresses.Length; way++)
            {
                var (spent, sample) = (gateway.Spent(addresses[way]), new Sample());
                await RunAsync(addresses[way], streams, ManyChunks, Round, sample);
                costs.Add(FormattableString.Invariant($"{(gateway.Spent(addresses[way]) - spent).TotalMicroseconds / sample.Chunks.Count:0}"));
            }

            var (first, rest) = (samples.Select(sample => sample.First).ToArray(), paced.Select(sample => sample.Chunks).ToArray());
            Console.WriteLine($"| {streams} | {first[^1].Count} | {Row(first, 0.5, 1)} | {Row(first, 0.99, 3)} | {Row(rest, 0.5, 0.2)} | {string.Join(", ", costs)} |");
        }
    }

    private static string Row(List<double>[] ways, double quantile, double bar)
    {
        var figures = ways.Select(way => Quantile(way, quantile)).ToArray();
        var added = figures[^1] - figures[0];
        return FormattableString.Invariant($"{figures[0]:0.00}, {figures[1]:0.00}, {figures[2]:0.00}, **{added:0.00}** {(added <= bar ? "met" : "MISSED")}");
    }

    private static double Quantile(List<double> values, double quantile) => values.Order().ElementAt((int)(quantile * (values.Count - 1)));

    private static async Task RunAsync(Uri address, int streams, int chunks, TimeSpan duration, Sample sample)
    {
        var began = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, streams).Select(async number =>
        {
            var own = new Sample();
            using var client = await Client.ConnectAsync(address, chunks);
            // Not all at the same instant.
            await Task.Delay(number * MockUpstream.PaceMs * chunks / streams);
            while (Stopwatch.GetElapsedTime(began) < duration) await client.StreamAsync(own.First, own.Chunks);
            return own;
        }));
        foreach (var own in all)
        {
            sample.First.AddRange(own.First);
            sample.Chunks.AddRange(own.Chunks);
        }
    }

    private sealed class Sample
    {
        public List<double> First { get; } = [];

        public List<double> Chunks { get; } = [];
    }
}

/// <summary>Short answers as fast as they come.</summary>
internal static class ThroughputBench
{
    public static async Task RunAsync(GatewayUnderTest gateway)
    {
        await Load.RunAsync(gateway.Gateway, 64, 10_000);
        foreach (var connections in new[] { 16, 64 })
        {
            var (direct, through) = (new List<double>(), new List<double>());
            for (var round = 0; round < 3; round++)
            {
                direct.Add(await Load.RunAsync(gateway.Direct, connections, 30_000));
                through.Add(await Load.RunAsync(gateway.Gateway, connections, 30_000));
            }

            Console.WriteLine(FormattableString.Invariant($"{connections} connections: {direct.Max():0} requests/s directly, {through.Order().ElementAt(1):0} (best {through.Max():0}) through the gateway"));
        }
    }
}

/// <summary>
/// Memory of the gateway over many requests: what is resident, what the runtime has of it, and what of that is alive after the last collection. Flat
/// means: the last quarter's resident memory is at most two per cent above the quarter's before.
/// </summary>
internal static class MemoryBench
{
    private const int Parts = 8;

    public static async Task RunAsync(GatewayUnderTest gateway, int requests)
    {
        Console.WriteLine("| requests | resident, MiB | committed by the runtime | alive |\n|---|---|---|---|");
        await Load.RunAsync(gateway.Gateway, 64, 10_000);
        await SayAsync(10_000);
        var resident = new List<long>();
        for (var part = 1; part <= Parts; part++)
        {
            await Load.RunAsync(gateway.Gateway, 64, requests / Parts);
            resident.Add(await SayAsync(10_000 + (requests / Parts * part)));
        }

        var (before, last) = (resident[^3], resident[^1]);
        Console.WriteLine(FormattableString.Invariant($"last quarter: {100.0 * (last - before) / before:+0.0;-0.0} % resident: {(last <= before * 1.02 ? "flat" : "NOT FLAT")}"));

        async Task<long> SayAsync(int sent)
        {
            var now = gateway.Resident;
            Console.WriteLine($"| {sent} | {now >> 20} | {await gateway.MetricAsync("dotnet_gc_last_collection_memory_committed_size") >> 20} | {await gateway.MetricAsync("dotnet_gc_last_collection_heap_size") >> 20} |");
            return now;
        }
    }
}

internal static class Load
{
    /// <returns>Requests a second.</returns>
    public static async Task<double> RunAsync(Uri address, int connections, int requests)
    {
        var began = Stopwatch.GetTimestamp();
        var left = requests;
        await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
        {
            using var client = await Client.ConnectAsync(address, chunks: 0);
            while (Interlocked.Decrement(ref left) >= 0) await client.AskAsync();
        })));
        return requests / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
