using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Routes;
using Orleans.Runtime;

namespace FinerCut.Cluster.Models;

/// <summary>
/// The one owner of one model in the whole cluster: its versions (by the same table as on one machine), on which hosts they run, and where
/// requests go.
/// </summary>
[Alias("finercut.model")]
public interface IModelGrain : IGrainWithStringKey
{
    /// <summary>A host says that it is there, and what runs on it. Every second, and at every change.</summary>
    [Alias("report")]
    Task ReportAsync(HostReport report);

    /// <summary>A host is going: its requests go elsewhere. Completes when nothing is under way on it, or nothing more can be done.</summary>
    [Alias("leave"), ResponseTimeout("00:05:00")]
    Task LeaveAsync(string host);

    /// <summary>An edge wants to know of every change. Every second; null while the owner is new and does not know the hosts yet.</summary>
    [Alias("watch")]
    Task<RouteTable?> WatchAsync(string edge, SiloAddress silo, IEdgePort port);

    [Alias("read")]
    Task<ModelBook> ReadAsync();

    /// <summary>A version whose file a job has written, or (refused) would have.</summary>
    /// <param name="state">A name of <see cref="FinerCut.Gateway.Rollout.VersionState"/>.</param>
    [Alias("register")]
    Task RegisterAsync(string version, string state, string path, long bytes, string? job, string reason);

    /// <summary>Null when the version has all requests on all edges.</summary>
    [Alias("promote"), ResponseTimeout("00:30:00")]
    Task<Refusal?> PromoteAsync(string version, bool isRollback, string reason);

    /// <summary>Begins a trial, or sets the weight of the one that runs.</summary>
    [Alias("try"), ResponseTimeout("00:30:00")]
    Task<Refusal?> TryAsync(string version, double weight, string reason);

    /// <summary>Ends the trial where there is one; else back to the version that the active one replaced.</summary>
    [Alias("roll-back"), ResponseTimeout("00:30:00")]
    Task<Refusal?> RollBackAsync(string reason);
}
