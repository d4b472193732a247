using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway;

/// <summary>What begins once the socket listens, and ends in the opposite order. The one that begins and ends them: the container only releases what they hold.</summary>
public sealed class GatewayRuntime(RouteOwner routes, Supervisor supervisor, Rollouts rollouts, JobQueue jobs, Residency residency, Staging staging, ConfigReload reload)
{
    public async Task StartAsync()
    {
        routes.Start();
        staging.MakeRoomAsync = residency.MakeRoomAsync;
        residency.Start();
        await rollouts.StartAsync(routes);
        jobs.Start();
        reload.Start();
    }

    public async Task StopAsync()
    {
        await reload.StopAsync();
        await jobs.StopAsync();
        await residency.StopAsync();
        await supervisor.StopAsync();
        await routes.StopAsync();
    }
}
