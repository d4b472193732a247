using System.Globalization;
using System.Text.Json.Nodes;

namespace FinerCut.Gateway.Commands;

/// <summary>How a job stands or ended, for people.</summary>
internal static class JobReport
{
    public static void Write(JsonNode job)
    {
        Console.WriteLine($"{job["id"]}: {job["model"]} → {job["version"]}, {Listing.Text(job["state"])}");
        if (job["error"] is { } error) Console.WriteLine($"{error["message"]} ({error["code"]})");
        if (job["result"] is not { } result) return;
        if (result["removed"]?.AsArray() is { Count: > 0 } removed) Console.WriteLine($"removed: {string.Join(' ', removed.Select(name => name!.ToString()))}");
        foreach (var note in result["notes"]?.AsArray() ?? []) Console.WriteLine(note);
        if (result["gate"] is { } gate)
        {
            Listing.Table(["gate", "value", "low", "high", "limit", "kept"], gate["checks"]!.AsArray().Select(check => new[]
            {
                Listing.Text(check!["name"]), Figure(check["value"]!["mean"]), Figure(check["value"]!["low"]), Figure(check["value"]!["high"]), Figure(check["limit"]), check["passed"]!.GetValue<bool>() ? "yes" : "no",
            }));
        }

        if (result["calibration_kl"] is { } seen) Console.WriteLine($"mean kl on the calibration set itself: {Figure(seen["mean"])} ({Figure(seen["low"])} to {Figure(seen["high"])})");
        if (result["unhealed_kl"] is { } before) Console.WriteLine($"mean kl of the same cut, not healed: {Figure(before["mean"])} ({Figure(before["low"])} to {Figure(before["high"])})");
        if (result["full"] is { } full && result["lean"] is { } lean)
        {
            Listing.Table(["", "full", "lean"],
            [
                ["file", Listing.Bytes(full["file_bytes"]), Listing.Bytes(lean["file_bytes"])],
                ["sublayers", Figure(full["sublayers"]), Figure(lean["sublayers"])],
                ["KV bytes a token", Listing.Text(full["kv_bytes_per_token"]), Listing.Text(lean["kv_bytes_per_token"])],
                ["prefill, tok/s", Figure(full["prefill_tokens_per_second"]), Figure(lean["prefill_tokens_per_second"])],
                ["decode, tok/s", Figure(full["decode_tokens_per_second"]), Figure(lean["decode_tokens_per_second"])],
            ]);
        }
    }

    private static string? Figure(JsonNode? node) => node?.GetValue<double>().ToString("G4", CultureInfo.InvariantCulture);
}
