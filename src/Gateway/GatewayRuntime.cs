using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.External;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway;

/// <summary>What begins once the socket listens, and ends in the opposite order. The one that begins and ends them: the container only releases what they hold.</summary>
public sealed class GatewayRuntime(RouteOwner routes, Supervisor supervisor, JobQueue jobs, ModelsRuntime models, ConfigReload reload, Destinations destinations)
{
    public async Task StartAsync()
    {
        routes.Start();
        await destinations.StartAsync();
        await models.StartAsync();
        jobs.Start();
        reload.Start();
    }

    public async Task StopAsync()
    {
        await reload.StopAsync();
        await jobs.StopAsync();
        await models.StopAsync();
        await destinations.StopAsync();
        await supervisor.StopAsync();
        await routes.StopAsync();
    }
}
