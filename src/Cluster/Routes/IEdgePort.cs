using FinerCut.Cluster.Models;

namespace FinerCut.Cluster.Routes;

/// <summary>An edge's process.</summary>
[Alias("finercut.edge-port")]
public interface IEdgePort : IGrainObserver
{
    /// <summary>Completes when the table holds for new requests. Older tables than the known one are ignored.</summary>
    [Alias("apply")]
    Task ApplyAsync(RouteTable table);

    /// <summary>Requests of this edge that a version is answering.</summary>
    /// <param name="host">On this host only; null: on all.</param>
    [Alias("in-flight")]
    Task<int> InFlightAsync(string model, string version, string? host);

    /// <summary>Ends what is still answered by doors to the version that take no more requests, each stream with a typed error event.</summary>
    [Alias("end")]
    Task EndAsync(string model, string version);
}
