using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Pruning;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <summary>GET /admin/jobs/{id}/report: the page that the Worker wrote beside the lean file, also where the gate refused.</summary>
internal static class ReportEndpoint
{
    public static void MapReportAdmin(this IEndpointRouteBuilder admin, IJobDirectory jobs) => admin.MapGet("/jobs/{id}/report", async (string id) =>
    {
        if (await jobs.FindAsync(id) is not { } job) return AdminAnswers.Fail(JobProblems.NoJob);
        return await jobs.ReportAsync(job) is { } page
            ? Results.Bytes(page, "text/html; charset=utf-8")
            : AdminAnswers.Fail(ApiError.NotFound($"{id} has no report: it has not come as far as the gate.", "no_report"));
    });
}
