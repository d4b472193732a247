using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway;

/// <summary>What begins once the socket listens, and ends in the opposite order.</summary>
public sealed class GatewayRuntime(RouteOwner routes, Supervisor supervisor, Rollouts rollouts, JobQueue jobs, Residency residency, Staging staging)
{
    public async Task StartAsync()
    {
        routes.Start();
        staging.MakeRoomAsync = residency.MakeRoomAsync;
        residency.Start();
        await rollouts.StartAsync(routes);
        jobs.Start();
    }

    public async Task StopAsync()
    {
        await jobs.DisposeAsync();
        await residency.DisposeAsync();
        await supervisor.DisposeAsync();
        await routes.DisposeAsync();
    }
}
