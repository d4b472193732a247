using FinerCut.Cluster.Administration;
using FinerCut.Cluster.Files;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Quotas;
using FinerCut.Cluster.Routes;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Pruning;
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
    private readonly JobPart _work;
    private ClusterJobs? _jobs;

    public JoinedCluster(IHost silo, ClusterConfig config)
    {
        (_silo, _config) = (silo, config);
        var (grains, loggers) = (silo.Services.GetRequiredService<IGrainFactory>(), silo.Services.GetRequiredService<ILoggerFactory>());
        var members = silo.Services.GetRequiredService<Members>();
        _quotas = new SlicedQuotas(grains, new QuotaOwner(config.Name.Replace('|', '_'), Guid.NewGuid().ToString("N")), TimeProvider.System);
        var files = new HostFiles(grains, loggers.CreateLogger<HostFiles>());
        _host = new HostPart(grains, members, files, loggers.CreateLogger<HostPart>());
        _edge = new EdgePart(grains, members, loggers.CreateLogger<EdgePart>());
        _work = new JobPart(grains, members, config, files, loggers.CreateLogger<JobPart>());
    }

    public IQuotaLedger Quotas => _quotas;

    public IWorkerObserver Workers => _host;

    public IVersionDirectory Versions(LiveConfig live) => new ClusterVersions(_silo.Services.GetRequiredService<IGrainFactory>(), _config, live, TimeProvider.System);

    public IJobDirectory Jobs(JobTools tools)
    {
        var services = _silo.Services;
        return _jobs ??= new ClusterJobs(
            services.GetRequiredService<IGrainFactory>(), _config, services.GetRequiredService<Members>(), tools, services.GetRequiredService<ILoggerFactory>().CreateLogger<ClusterJobs>());
    }

    public void MapAdmin(IEndpointRouteBuilder app, IEndpointRouteBuilder admin)
    {
        ClusterEndpoints.Map(admin, _silo.Services.GetRequiredService<IGrainFactory>(), _silo.Services.GetRequiredService<Members>(), _config.Dashboard ? DashboardDoor.Path + "/" : null);
        if (_config.Dashboard) new DashboardDoor(_silo.Services).Map(app, admin);
    }

    public bool IsBetweenOwners(Exception failure) => OwnedState.IsBetweenOwners(failure);

    public Task StartAsync(ClusterTools tools, CancellationToken cancellationToken)
    {
        if (_config.IsHost) _host.Start(tools);
        if (_config.IsHost) _work.Start(tools);
        if (_config.IsEdge) _edge.Start(tools);
        _jobs?.Start(tools.Time);
        return Task.CompletedTask;
    }

    public async Task StopAsync()
    {
        // Its checkpoint first: another host can go on while requests here end.
        await _work.StopAsync().ConfigureAwait(false);
        if (_jobs is not null) await _jobs.StopAsync().ConfigureAwait(false);
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
