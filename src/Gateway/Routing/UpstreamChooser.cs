using System.Collections.Immutable;
using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace FinerCut.Gateway.Routing;

/// <summary>An upstream that the caller has entered (and must leave), with what YARP needs to reach it.</summary>
/// <param name="IsTrial">It answers for a version on trial: what it fails, the active version may still answer.</param>
public sealed record UpstreamChoice(Upstream Upstream, ClusterState Cluster, DestinationState Destination, bool IsTrial = false);

/// <summary>From a model id to an upstream, waiting where one is about to be ready. Thread-safe.</summary>
public sealed class UpstreamChooser(RouteOwner routes, IProxyStateLookup yarp, TimeProvider time)
{
    /// <summary>Where the body names no model and the sender sees only one, that one is meant. Models out of scope are as good as absent.</summary>
    public (string? ModelId, ApiError? Error) ModelOf(RequestHead head, IModelScope? scope = null)
    {
        var models = routes.Current.Models;
        // A name that came from outside is repeated only as far as it looks like a name.
        var shown = head.Model is { Length: > 100 } ? head.Model[..100] + "…" : head.Model;
        if (head.Model is { } refused && scope is not null && !scope.Allows(refused))
        {
            return (null, new ApiError(StatusCodes.Status403Forbidden, $"This key may not use the model '{shown}'; GET /v1/models lists those it may.", "permission_error", "model_not_allowed") { Param = "model" });
        }

        if (head.Model is { } named && models.ContainsKey(named)) return (named, null);
        var seen = models.Keys.Where(model => scope?.Allows(model) ?? true).ToArray();
        if (head.Model is not null)
        {
            return (null, ApiError.NotFound($"The model '{shown}' does not exist. Models here: {string.Join(", ", seen)}.", "model_not_found") with { Param = "model" });
        }

        return seen is [var only] ? (only, null) : (null, ApiError.Invalid($"The body names no model. Models here: {string.Join(", ", seen)}.", "missing_model", "model"));
    }

    /// <summary>The upstream has been entered when there is one; otherwise says why not.</summary>
    /// <param name="request">Names a model that was there a moment ago.</param>
    /// <param name="mayTry">Whether a version on trial may be chosen.</param>
    /// <param name="deadline">Ends the wait for a model that is being loaded.</param>
    /// <param name="aborted">The client has gone.</param>
    public async ValueTask<(UpstreamChoice? Choice, ApiError? Refusal)> EnterAsync(RoutedRequest request, bool mayTry, CancellationToken deadline, CancellationToken aborted)
    {
        var modelId = request.ModelId;
        var wanted = false;
        while (true)
        {
            var model = routes.Current;
            if (!model.Models.TryGetValue(modelId, out var route)) return (null, ApiError.NotFound($"The model '{modelId}' does not exist any more.", "model_not_found"));
            if (mayTry && route.Trial is { Upstreams.Length: > 0 } trial && trial.Share.Takes(request) && Enter(route.ModelId, trial.Upstreams) is { } tried) return (tried with { IsTrial = true }, null);
            if (Enter(route.ModelId, route.Upstreams) is { } choice) return (choice, null);
            // Not loaded: wanted; what comes of that is in a later snapshot.
            if (route.Availability == RouteAvailability.Asleep)
            {
                if (wanted && route.Problem is { } problem) return (null, problem);
                routes.Want(modelId);
                wanted = true;
            }

            var refusal = route is { Availability: RouteAvailability.Down, Problem: { } ended } ? ended : Refusal(route);
            // All destinations are full (or closing): the caller comes again soon.
            if (route.Upstreams.Length > 0 && route.Upstreams.All(upstream => upstream.Destination is not null && !upstream.IsClosed)) return (null, UpstreamFailure.ToError(FailureKind.Busy));
            if (route.Availability == RouteAvailability.Down || deadline.IsCancellationRequested) return (null, refusal);
            try
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline, aborted);
                await model.Replaced.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
            {
                return (null, refusal);
            }
        }
    }

    /// <summary>Another upstream of the active version than this one, entered; null where there is none with room.</summary>
    public Upstream? EnterOther(Upstream one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return routes.Current.Models.TryGetValue(one.ModelId, out var route) ? Enter(one.ModelId, route.Upstreams.Remove(one))?.Upstream : null;
    }

    private UpstreamChoice? Enter(string modelId, ImmutableArray<Upstream> upstreams)
    {
        foreach (var upstream in upstreams.Length < 2 ? upstreams : upstreams.Sort((one, other) => one.InFlight.CompareTo(other.InFlight)))
        {
            if (!upstream.TryEnter()) continue;
            if (yarp.TryGetCluster(YarpRoutes.ClusterOf(modelId), out var cluster) && cluster.Destinations.TryGetValue(upstream.Id, out var destination))
            {
                return new UpstreamChoice(upstream, cluster, destination);
            }

            upstream.Leave();
        }

        return null;
    }

    private ApiError Refusal(ModelRoute route)
    {
        var wait = route.RetryAt - time.GetUtcNow();
        return ApiError.Unavailable(
            $"The model '{route.ModelId}' cannot answer now. {route.Reason}",
            route.Availability == RouteAvailability.Down ? "worker_down" : "model_loading",
            wait > TimeSpan.Zero ? wait : TimeSpan.FromSeconds(1));
    }
}
