using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Rollout;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>/admin/models/{model}/prune and /admin/jobs.</summary>
internal static class JobEndpoints
{
    public static void MapJobAdmin(this IEndpointRouteBuilder admin, IVersionDirectory versions, JobQueue jobs, TrafficExport export, PruneProcess prune, EventHub hub)
    {
        admin.MapPost("/models/{model}/prune", (string model, HttpContext context) => AdminAnswers.WithBodyAsync(context, PruneOrderReader.Read, order =>
        {
            if (versions.Versions(model) is not { } owner) return Task.FromResult(ModelEndpoints.NoModel());
            if (export.TooFew(model) is { } tooFew) return Task.FromResult(AdminAnswers.Fail(ApiError.Conflict(tooFew.Message, tooFew.Code)));
            if (prune.Misfit("the job", owner.Model, order) is { } tooLarge) return Task.FromResult(AdminAnswers.Fail(tooLarge));
            var job = jobs.Add(model, order);
            context.Response.Headers.Location = $"/admin/jobs/{job.Id}";
            return Task.FromResult(AdminAnswers.Ok(job, StatusCodes.Status202Accepted));
        }));
        admin.MapGet("/jobs", () => AdminAnswers.Ok(new { jobs = jobs.All }));
        admin.MapGet("/jobs/{id}", (string id) => jobs.Find(id) is { } job ? AdminAnswers.Ok(job) : NoJob());
        admin.MapDelete("/jobs/{id}", (string id) => jobs.Cancel(id) is { } problem ? AdminAnswers.Fail(problem) : AdminAnswers.Ok(jobs.Find(id)!, StatusCodes.Status202Accepted));
        admin.MapGet("/jobs/{id}/events", async (string id, HttpContext context) =>
        {
            using var subscription = hub.Subscribe();
            if (jobs.Find(id) is not { } job)
            {
                await ErrorEnvelope.WriteAsync(context, JobNotFound);
                return;
            }

            await AdminAnswers.StreamAsync(
                context,
                subscription,
                [new AdminEvent("job", id, job)],
                happened => happened.Kind == "job" && happened.Subject == id,
                happened => happened.Data is JobModel { HasEnded: true });
        });
    }

    private static ApiError JobNotFound { get; } = ApiError.NotFound("There is no such job; GET /admin/jobs lists them.", "job_not_found");

    private static IResult NoJob() => AdminAnswers.Fail(JobNotFound);
}
