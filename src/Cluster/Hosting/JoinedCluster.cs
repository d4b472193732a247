using FinerCut.Cluster.Administration;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Quotas;
using FinerCut.Cluster.Routes;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Rollout;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Workers;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Hosting;

/// <summary>This gateway's membership: its silo and its roles.</summary>
internal sealed class JoinedCluster : ICluster
{
    /// <summary>For requests to finish or go elsewhere when this machine leaves.</summary>
    private static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(20);

    private readonly IHost _silo;
    private readonly ClusterConfig _config;
    private readonly SlicedQuotas _quotas;
    private readonly HostPart _host;
    private readonly EdgePart _edge;

    public JoinedCluster(IHost silo, ClusterConfig config)
    {
        (_silo, _config) = (silo, config);
        var (grains, loggers) = (silo.Services.GetRequiredService<IGrainFactory>(), silo.Services.GetRequiredService<ILoggerFactory>());
        var members = silo.Services.GetRequiredService<Members>();
        _quotas = new SlicedQuotas(grains, new QuotaOwner(config.Name.Replace('|', '_'), Guid.NewGuid().ToString("N")), TimeProvider.System);
        _host = new HostPart(grains, members, loggers.CreateLogger<HostPart>());
        _edge = new EdgePart(grains, members, loggers.CreateLogger<EdgePart>());
    }

    public IQuotaLedger Quotas => _quotas;

    public IWorkerObserver Workers => _host;

    public IVersionDirectory Versions(LiveConfig live) => new ClusterVersions(_silo.Services.GetRequiredService<IGrainFactory>(), _config, live);

    public void MapAdmin(IEndpointRouteBuilder admin) =>
        ClusterEndpoints.Map(admin, _silo.Services.GetRequiredService<IGrainFactory>(), _silo.Services.GetRequiredService<Members>());

    public Task StartAsync(ClusterTools tools, CancellationToken cancellationToken)
    {
        if (_config.IsHost) _host.Start(tools);
        if (_config.IsEdge) _edge.Start(tools);
        return Task.CompletedTask;
    }

    public async Task StopAsync()
    {
        await _host.StopAsync(LeavePatience).ConfigureAwait(false);
        await _edge.StopAsync().ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _quotas.DisposeAsync().ConfigureAwait(false);
        using var late = new CancellationTokenSource(LeavePatience, TimeProvider.System);
        await _silo.StopAsync(late.Token).ConfigureAwait(false);
        _silo.Dispose();
    }
}
