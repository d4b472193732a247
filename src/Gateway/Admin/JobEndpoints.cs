using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Pruning;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>/admin/models/{model}/prune and /admin/jobs.</summary>
internal static class JobEndpoints
{
    public static void MapJobAdmin(this IEndpointRouteBuilder admin, IJobDirectory jobs, EventHub hub)
    {
        admin.MapPost("/models/{model}/prune", (string model, HttpContext context) => AdminAnswers.WithBodyAsync(context, PruneOrderReader.Read, async order =>
        {
            var (job, problem) = await jobs.OrderAsync(model, order);
            if (job is null) return AdminAnswers.Fail(problem!);
            context.Response.Headers.Location = $"/admin/jobs/{job.Id}";
            return AdminAnswers.Ok(job, StatusCodes.Status202Accepted);
        }));
        admin.MapGet("/jobs", async () => AdminAnswers.Ok(new { jobs = await jobs.AllAsync() }));
        admin.MapGet("/jobs/{id}", async (string id) => await jobs.FindAsync(id) is { } job ? AdminAnswers.Ok(job) : AdminAnswers.Fail(JobProblems.NoJob));
        admin.MapDelete("/jobs/{id}", async (string id) =>
            await jobs.CancelAsync(id) is { } problem ? AdminAnswers.Fail(problem) : AdminAnswers.Ok((await jobs.FindAsync(id))!, StatusCodes.Status202Accepted));
        admin.MapGet("/jobs/{id}/events", async (string id, HttpContext context) =>
        {
            using var subscription = hub.Subscribe();
            if (await jobs.FindAsync(id) is not { } job)
            {
                await ErrorEnvelope.WriteAsync(context, JobProblems.NoJob);
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
}
