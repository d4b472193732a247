using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Clusters;

/// <summary>Who decides which models are loaded here: this gateway's own residency, or the cluster that it is in.</summary>
public sealed class ModelsRuntime(ICluster? cluster, IServiceProvider services)
{
    public Task StartAsync() => cluster is not null
        ? cluster.StartAsync(Tools(), CancellationToken.None)
        : services.GetRequiredService<Residency>().StartAsync();

    public Task StopAsync() => cluster is not null ? cluster.StopAsync() : services.GetRequiredService<Residency>().StopAsync();

    private ClusterTools Tools() => new(
        services.GetRequiredService<RouteOwner>(),
        services.GetRequiredService<Supervisor>(),
        services.GetRequiredService<Staging>(),
        services.GetRequiredService<MemoryLedger>(),
        services.GetRequiredService<LiveConfig>(),
        services.GetRequiredService<StateFolder>())
    {
        Loggers = services.GetRequiredService<ILoggerFactory>(),
        Time = services.GetRequiredService<TimeProvider>(),
        Jobs = services.GetRequiredService<JobTools>(),
    };
}
