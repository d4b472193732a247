using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Workers;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Clusters;

/// <summary>What of this gateway a cluster works with.</summary>
public sealed record ClusterTools(
    RouteOwner Routes, Supervisor Supervisor, Staging Staging, MemoryLedger Memory, LiveConfig Live, StateFolder State)
{
    public required ILoggerFactory Loggers { get; init; }

    public required TimeProvider Time { get; init; }

    public required JobTools Jobs { get; init; }
}

/// <summary>What of this gateway the cluster's jobs work with.</summary>
public sealed record JobTools(JobRunner Runner, TrafficExport Export, PruneProcess Process, EventHub Hub, StateFolder State, LiveConfig Live);

/// <summary>
/// This gateway's membership in a cluster. The seam of several machines: Gateway knows no more of it than this, and what is behind it is loaded
/// in Cluster:Mode = Orleans only (docs/adr/0009).
/// </summary>
public interface ICluster : IAsyncDisposable
{
    /// <summary>Counts of keys that hold for all machines together.</summary>
    IQuotaLedger Quotas { get; }

    /// <summary>Told of this machine's workers in the place of the routes, which learn of all machines' workers from the cluster.</summary>
    IWorkerObserver Workers { get; }

    /// <summary>The versions of all models, wherever they are owned.</summary>
    IVersionDirectory Versions(LiveConfig live);

    /// <summary>The jobs of all machines.</summary>
    IJobDirectory Jobs(JobTools tools);

    /// <summary>Answers for models and versions under /admin, in the place of this machine's own endpoints.</summary>
    /// <param name="app">For pages that admins open with a cookie.</param>
    /// <param name="admin">Behind the admin key.</param>
    void MapAdmin(IEndpointRouteBuilder app, IEndpointRouteBuilder admin);

    /// <summary>Whether a failure says that what was asked has no owner at the moment: its machine has just gone, and another is about to take over.</summary>
    bool IsBetweenOwners(Exception failure);

    /// <summary>Takes up this machine's roles. Called once, after the routes have begun.</summary>
    Task StartAsync(ClusterTools tools, CancellationToken cancellationToken);

    /// <summary>Lays the roles down: others take over what this machine did. Its workers are still there.</summary>
    Task StopAsync();
}

/// <summary>How a cluster is joined: the one type that is found by name.</summary>
public interface IClusterDoor
{
    /// <exception cref="ClusterException">This machine cannot join; the message says what to do.</exception>
    Task<ICluster> JoinAsync(ClusterConfig config, CancellationToken cancellationToken);
}

public sealed class ClusterException(string message, Exception? cause = null) : Exception(message, cause);
