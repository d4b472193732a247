using System.Collections.Immutable;
using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Routing;

/// <summary>Whether a model can answer now, soon, or not until somebody acts.</summary>
public enum RouteAvailability
{
    Ready,

    /// <summary>A worker is starting, loading or about to be restarted: worth a wait.</summary>
    Soon,

    /// <summary>Not loaded: a request that wants it loads it, and waits.</summary>
    Asleep,

    /// <summary>The breaker is open or the worker cannot be started.</summary>
    Down,
}

/// <summary>Where one model's requests go. Immutable.</summary>
/// <param name="VersionId">The active version.</param>
/// <param name="Upstreams">That may be chosen; empty unless ready.</param>
/// <param name="Reason">Why it is not ready, for people.</param>
public sealed record ModelRoute(string ModelId, string VersionId, ImmutableArray<Upstream> Upstreams, RouteAvailability Availability, string? Reason)
{
    /// <summary>When it is expected to answer, as far as its last load tells, or when the next start is tried; null when unknown.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Why it could not be loaded, or what ended it; null where nothing is wrong.</summary>
    public ApiError? Problem { get; init; }

    /// <summary>A version on trial beside the active one; null where there is none.</summary>
    public TrialRoute? Trial { get; init; }

    /// <summary>Of both versions.</summary>
    public IEnumerable<Upstream> AllUpstreams => Trial is null ? Upstreams : Upstreams.Concat(Trial.Upstreams);
}

/// <summary>The share of a model's requests that a version on trial gets. Immutable.</summary>
/// <param name="Upstreams">Empty while its worker is not ready: all requests go to the active version then.</param>
public sealed record TrialRoute(TrialShare Share, ImmutableArray<Upstream> Upstreams);

/// <param name="Weight">0 to 1, of requests of its own.</param>
/// <param name="ShadowShare">0 to 1, of the active version's requests that are copied to it.</param>
/// <param name="Sticky">What is dealt to one version or the other as a whole.</param>
/// <param name="Salt">Of the hash that deals: another trial deals otherwise.</param>
public sealed record TrialShare(string VersionId, double Weight, double ShadowShare, StickyBy Sticky, string Salt);

/// <summary>What stays on one version during a trial.</summary>
public enum StickyBy
{
    /// <summary>All turns of a conversation, known by its sender and its first messages.</summary>
    Conversation,

    /// <summary>All requests of one key.</summary>
    Key,
}

/// <summary>Which versions of a model requests go to. Immutable.</summary>
public sealed record ModelShare(string VersionId)
{
    /// <summary>The active version is not loaded.</summary>
    public bool Asleep { get; init; }

    /// <summary>Why it could not be loaded when it was wanted last; null where it was not tried.</summary>
    public ApiError? Problem { get; init; }

    public TrialShare? Trial { get; init; }
}

/// <summary>A snapshot of all routes. Immutable; <see cref="Replaced"/> completes when a newer one is there.</summary>
public sealed record RouteModel(ImmutableSortedDictionary<string, ModelRoute> Models)
{
    private readonly TaskCompletionSource _replaced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static RouteModel Empty { get; } = new(ImmutableSortedDictionary.Create<string, ModelRoute>(StringComparer.Ordinal));

    public Task Replaced => _replaced.Task;

    internal void Replace() => _replaced.TrySetResult();
}
