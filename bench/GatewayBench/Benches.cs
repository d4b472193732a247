using System.Diagnostics;

namespace FinerCut.GatewayBench;

/// <summary>Streams through the gateway and directly, in turn, so that whatever else the machine does hits both.</summary>
internal static class LatencyBench
{
    private const int Rounds = 6;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(GatewayUnderTest gateway)
    {
        Console.WriteLine("| streams | first byte p50, ms: direct, gateway, added | p99: direct, gateway, added | a chunk p50: direct, gateway, added |\n|---|---|---|---|");
        foreach (var streams in new[] { 1, 16, 64 })
        {
            var (direct, through) = (new Sample(), new Sample());
            await RunAsync(gateway.Gateway, streams, TimeSpan.FromSeconds(3), new Sample());
            for (var round = 0; round < Rounds; round++)
            {
                await RunAsync(gateway.Direct, streams, Round, direct);
                await RunAsync(gateway.Gateway, streams, Round, through);
            }

            Console.WriteLine($"| {streams} | {Row(direct.First, through.First, 0.5)} | {Row(direct.First, through.First, 0.99)} | {Row(direct.Chunks, through.Chunks, 0.5)} |");
        }
    }

    private static string Row(List<double> direct, List<double> through, double quantile)
    {
        var (one, other) = (Quantile(direct, quantile), Quantile(through, quantile));
        return FormattableString.Invariant($"{one:0.00}, {other:0.00}, **{other - one:0.00}**");
    }

    private static double Quantile(List<double> values, double quantile) => values.Order().ElementAt((int)(quantile * (values.Count - 1)));

    private static async Task RunAsync(Uri address, int streams, TimeSpan duration, Sample sample)
    {
        var began = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, streams).Select(async number =>
        {
            var own = new Sample();
            using var client = await Client.ConnectAsync(address, stream: true);
            // Not all at the same instant.
            await Task.Delay(number * MockUpstream.PaceMs * MockUpstream.Chunks / streams);
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

/// <summary>Resident memory of the gateway over many requests.</summary>
internal static class MemoryBench
{
    public static async Task RunAsync(GatewayUnderTest gateway, int requests)
    {
        await Load.RunAsync(gateway.Gateway, 64, 10_000);
        Console.WriteLine($"after 10,000 requests {gateway.Resident >> 20} MiB");
        for (var i = 1; i <= 4; i++)
        {
            await Load.RunAsync(gateway.Gateway, 64, requests / 4);
            Console.WriteLine($"after {requests / 4 * i} more {gateway.Resident >> 20} MiB");
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
            using var client = await Client.ConnectAsync(address, stream: false);
            while (Interlocked.Decrement(ref left) >= 0) await client.AskAsync();
        })));
        return requests / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
