using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>GET /admin/models, /admin/workers and /admin/events.</summary>
internal static class ModelEndpoints
{
    public static void MapModelAdmin(this IEndpointRouteBuilder admin, Rollouts rollouts, RolloutJournal journal)
    {
        admin.MapGet("/models", () => AdminAnswers.Ok(new { models = rollouts.All.Select(owner => AdminViews.Of(owner.Current, journal.History(owner.Model.Id))) }));
        admin.MapGet("/models/{model}", (string model) => rollouts.Find(model) is { } owner
            ? AdminAnswers.Ok(AdminViews.Of(owner.Current, journal.History(model)))
            : NoModel());
    }

    public static void MapWorkerAdmin(this IEndpointRouteBuilder admin, Supervisor supervisor, RouteOwner routes, EventHub hub)
    {
        admin.MapGet("/workers", () => AdminAnswers.Ok(new
        {
            workers = supervisor.Workers.Select(worker => AdminViews.Of(worker, routes.InFlight(worker.Spec.ModelId, worker.Spec.VersionId))),
        }));
        admin.MapGet("/events", async (HttpContext context) =>
        {
            using var subscription = hub.Subscribe();
            var first = supervisor.Workers.Select(worker => new AdminEvent("worker", worker.Spec.WorkerId, AdminViews.Of(worker)));
            await AdminAnswers.StreamAsync(context, subscription, first, _ => true, _ => false);
        });
    }

    internal static IResult NoModel() => AdminAnswers.Fail(JobProblems.NoModel);
}
