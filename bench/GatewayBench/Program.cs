using FinerCut.GatewayBench;

// What the gateway adds to a request, against the same mock upstream asked directly and through YARP alone. The mock is this program again, which the gateway starts as its worker.
//   dotnet run -c Release --project bench/GatewayBench            all of it, about seven minutes on 2 cores
//   ... -- latency [streams] | throughput | memory [requests]      one part
//   ... -- alone ROUNDS [FINERCUT...]                               what the cluster costs a gateway that stands alone
if (args is ["serve", ..]) return await MockUpstream.RunAsync();
if (args is ["proxy", var upstream]) return await BareProxy.RunAsync(upstream);
if (args is ["alone", var rounds, .. var others])
{
    await Alone.RunAsync(int.Parse(rounds), others);
    return 0;
}

var parts = args.Length == 0 ? ["latency", "throughput", "memory"] : new[] { args[0] };
await using var gateway = await GatewayUnderTest.StartAsync();
foreach (var part in parts)
{
    switch (part)
    {
        case "latency":
            await LatencyBench.RunAsync(gateway, args.Length > 1 ? [int.Parse(args[1])] : [1, 16, 64]);
            break;
        case "throughput":
            await ThroughputBench.RunAsync(gateway);
            break;
        case "memory":
            await MemoryBench.RunAsync(gateway, args.Length > 1 ? int.Parse(args[1]) : 100_000);
            break;
        default:
            await Console.Error.WriteLineAsync($"'{part}' is no part: latency, throughput or memory.");
            return 2;
    }
}

return 0;
