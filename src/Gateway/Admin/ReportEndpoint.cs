using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>GET /admin/jobs/{id}/report: the page that the Worker wrote beside the lean file, also where the gate refused.</summary>
internal static class ReportEndpoint
{
    public static void MapReportAdmin(this IEndpointRouteBuilder admin, JobQueue jobs, StateFolder state) => admin.MapGet("/jobs/{id}/report", (string id) =>
    {
        if (jobs.Find(id) is not { } job) return AdminAnswers.Fail(ApiError.NotFound("There is no such job; GET /admin/jobs lists them.", "job_not_found"));
        var path = state.VersionPath(job.Model, job.Version) + ".report.html";
        return File.Exists(path)
            ? Results.File(path, "text/html; charset=utf-8")
            : AdminAnswers.Fail(ApiError.NotFound($"{id} has no report: it has not come as far as the gate.", "no_report"));
    });
}
