using System.Collections.Immutable;

namespace FinerCut.Gateway.Routing;

/// <summary>Whether a model can answer now, soon, or not until somebody acts.</summary>
public enum RouteAvailability
{
    Ready,

    /// <summary>A worker is starting, loading or about to be restarted: worth a wait.</summary>
    Soon,

    /// <summary>The breaker is open or the worker cannot be started.</summary>
    Down,
}

/// <summary>Where one model's requests go. Immutable.</summary>
/// <param name="VersionId">The active version.</param>
/// <param name="Upstreams">That may be chosen; empty unless ready.</param>
/// <param name="Reason">Why it is not ready, for people.</param>
public sealed record ModelRoute(string ModelId, string VersionId, ImmutableArray<Upstream> Upstreams, RouteAvailability Availability, string? Reason)
{
    /// <summary>When the next start is tried; null when unknown.</summary>
    public DateTimeOffset? RetryAt { get; init; }
}

/// <summary>A snapshot of all routes. Immutable; <see cref="Replaced"/> completes when a newer one is there.</summary>
public sealed record RouteModel(ImmutableSortedDictionary<string, ModelRoute> Models)
{
    private readonly TaskCompletionSource _replaced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static RouteModel Empty { get; } = new(ImmutableSortedDictionary.Create<string, ModelRoute>(StringComparer.Ordinal));

    public Task Replaced => _replaced.Task;

    internal void Replace() => _replaced.TrySetResult();
}
