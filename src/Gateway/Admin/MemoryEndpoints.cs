using FinerCut.Gateway.Memory;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

public sealed record MemoryEntryView(string Id, string Model, long Total, long Weights, long Kv, long Compute, long Process);

/// <summary>GET /admin/memory: the ledger.</summary>
internal static class MemoryEndpoints
{
    public static void MapMemoryAdmin(this IEndpointRouteBuilder admin, MemoryLedger ledger) => admin.MapGet("/memory", () => AdminAnswers.Ok(new
    {
        ledger.Limit,
        ledger.Held,
        ledger.Free,
        Entries = ledger.Entries.Select(entry => new MemoryEntryView(
            entry.Id, entry.ModelId, entry.Forecast.Total, entry.Forecast.Weights, entry.Forecast.Kv, entry.Forecast.Compute, entry.Forecast.Process)),
    }));
}
