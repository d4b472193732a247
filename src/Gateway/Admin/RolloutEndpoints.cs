using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Rollout.Trials;
using FinerCut.Gateway.Routing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>One arm of a trial: rates with the bounds that hold at all times.</summary>
public sealed record RateView(long Count, double Mean, double Low, double High);

/// <param name="SlowLimitMs">A first byte later than this counts as slow; null until it is known.</param>
public sealed record TrialView(
    string Version, VersionState Stage, double Weight, double ShadowShare, RateView ActiveFailures, RateView CanaryFailures, RateView ActiveSlow, RateView CanarySlow, RateView Agreement, double? SlowLimitMs);

/// <param name="History">Of the version, all of it, oldest first.</param>
public sealed record VersionHistoryView(VersionView Version, IReadOnlyList<TransitionView> History);

/// <summary>/admin/models/{model}/promote, canary, hold, resume, rollback, trial and versions/{version}.</summary>
internal static class RolloutEndpoints
{
    public static void MapRolloutAdmin(this IEndpointRouteBuilder admin, Rollouts rollouts, RolloutJournal journal, Trials trials, RouteOwner routes)
    {
        admin.MapPost("/models/{model}/promote", (string model, HttpContext context) => OrderAsync(model, context, takesWeight: false, (owner, order) =>
            owner.SwapAsync(order.Version, isRollback: false, "Promoted by an admin.", context.RequestAborted)));
        admin.MapPost("/models/{model}/canary", (string model, HttpContext context) => OrderAsync(model, context, takesWeight: true, (owner, order) =>
            owner.TryAsync(order.Version, order.Weight ?? owner.Model.Rollout.CanaryWeight, "Tried by an admin.", context.RequestAborted)));
        admin.MapPost("/models/{model}/shadow", (string model, HttpContext context) => OrderAsync(model, context, takesWeight: false, (owner, order) =>
            owner.Model.Rollout.ShadowShare > 0
                ? owner.TryAsync(order.Version, weight: null, "Shadowed by an admin.", context.RequestAborted)
                : Task.FromResult<ApiError?>(ApiError.Conflict($"Models:{model}:Rollout:ShadowShare is 0: no request would be copied.", "no_shadow_share"))));
        admin.MapPost("/models/{model}/hold", (string model, HttpContext context) => ActAsync(model, context, owner => owner.HoldAsync("Held by an admin.", context.RequestAborted)));
        admin.MapPost("/models/{model}/resume", (string model, HttpContext context) => ActAsync(model, context, owner => owner.ResumeAsync("Resumed by an admin.", context.RequestAborted)));
        admin.MapPost("/models/{model}/rollback", (string model, HttpContext context) => ActAsync(model, context, owner =>
            owner.RollBackAsync("Rolled back by an admin.", automatic: false, context.RequestAborted)));
        admin.MapGet("/models/{model}/trial", (string model) => rollouts.Find(model) is null ? ModelEndpoints.NoModel()
            : trials.Find(model) is { } trial && routes.Current.Models.GetValueOrDefault(model)?.Trial is { } route ? AdminAnswers.Ok(View(trial, route))
            : AdminAnswers.Fail(ApiError.NotFound($"No version of {model} is on trial.", "no_trial")));
        admin.MapGet("/models/{model}/versions/{version}", (string model, string version) => rollouts.Find(model) is not { } owner ? ModelEndpoints.NoModel()
            : owner.Current.Versions.TryGetValue(version, out var found)
                ? AdminAnswers.Ok(new VersionHistoryView(AdminViews.Of(found), [.. journal.History(model, version).Select(transition => AdminViews.Of(model, transition))]))
            : AdminAnswers.Fail(ApiError.NotFound($"The model {model} has no such version; GET /admin/models/{model} lists them.", "version_not_found")));

        Task<IResult> OrderAsync(string model, HttpContext context, bool takesWeight, Func<RolloutOwner, VersionOrder, Task<ApiError?>> act) => AdminAnswers.WithBodyAsync(
            context,
            bytes => JsonBody.Read(bytes, body => Read(body, takesWeight)),
            async order => rollouts.Find(model) is not { } owner ? ModelEndpoints.NoModel() : Answer(owner, await act(owner, order)));

        Task<IResult> ActAsync(string model, HttpContext context, Func<RolloutOwner, Task<ApiError?>> act) => AdminAnswers.WithBodyAsync(
            context,
            bytes => JsonBody.Read(bytes, _ => new object()),
            async _ => rollouts.Find(model) is not { } owner ? ModelEndpoints.NoModel() : Answer(owner, await act(owner)));

        IResult Answer(RolloutOwner owner, ApiError? problem) =>
            problem is null ? AdminAnswers.Ok(AdminViews.Of(owner.Current, journal.History(owner.Model.Id))) : AdminAnswers.Fail(problem);
    }

    private static VersionOrder Read(JsonBody body, bool takesWeight)
    {
        var version = body.Text("version", 100);
        if (version is null && !body.Has("version")) body.Error("version", "expected the id of a version; GET /admin/models lists them");
        return new VersionOrder(version ?? "", takesWeight ? body.Number("weight", 0, 1) : null);
    }

    private static TrialView View(TrialState trial, TrialRoute route)
    {
        var evidence = trial.Evidence;
        return new TrialView(
            trial.VersionId, trial.Stage, route.Share.Weight, route.Share.ShadowShare, Rate(evidence.Active.Failures), Rate(evidence.Canary.Failures),
            Rate(evidence.Active.Slow), Rate(evidence.Canary.Slow), Rate(evidence.Agreement), evidence.SlowLimit?.TotalMilliseconds);

        RateView Rate(BoundedMean mean)
        {
            var (low, high) = mean.Bounds(TrialTest.Alpha(trial.Config));
            return new RateView(mean.Count, mean.Mean, low, high);
        }
    }

    private sealed record VersionOrder(string Version, double? Weight);
}
