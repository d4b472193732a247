using System.Globalization;
using FinerCut.CommandLine;
using FinerCut.Jobs;

namespace FinerCut.Worker.Prune;

/// <summary>A job's progress and its end, for people at a terminal.</summary>
internal sealed class PruneText(TerminalProgress terminal) : IProgress<PruneProgress>
{
    public void Report(PruneProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var phase = System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.Phase.ToString());
        var details = value.Phase == PrunePhase.Search
            ? string.Create(CultureInfo.InvariantCulture, $"{value.Evaluations} masks, distance {value.Distance ?? 0:G3}, {value.BytesRemoved / 1e6:F1} MB gone, {value.ElapsedSeconds:F0} s")
            : string.Create(CultureInfo.InvariantCulture, $"{value.ElapsedSeconds:F0} s");
        terminal.Tell($"{phase} {value.Step}/{value.Steps}", value.EtaSeconds, ProgressBar.OfTime(value.ElapsedSeconds, value.EtaSeconds), details);
    }

    public static void Write(PruneResult result, string output, TextWriter text)
    {
        text.WriteLine($"{result.JobId}: {System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(result.Outcome.ToString())}");
        if (result.Removed.Length > 0) text.WriteLine($"removed: {string.Join(' ', result.Removed)}");
        if (result.Healed.Length > 0) text.WriteLine($"healed: {string.Join(", ", result.Healed)}");
        foreach (var part in result.Budget) text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"budget {part.Name,-12}{part.Reached,14:G6} of {part.Asked:G6}"));
        foreach (var note in result.Notes) text.WriteLine(note);
        if (result.Gate is { } gate)
        {
            text.WriteLine($"gate, on {gate.Conversations} held-out conversations ({gate.Tokens} tokens):");
            foreach (var check in gate.Checks)
            {
                text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {check.Name,-24}{check.Value.Mean,10:G4}  [{check.Value.Low:G4}, {check.Value.High:G4}]  limit {check.Limit:G4}  {(check.Passed ? "kept" : "BROKEN")}"));
            }
        }

        if (result.CalibrationKl is { } seen) text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  mean_kl on calibration  {seen.Mean,10:G4}  [{seen.Low:G4}, {seen.High:G4}]"));
        if (result.UnhealedKl is { } before) text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  mean_kl not healed      {before.Mean,10:G4}  [{before.Low:G4}, {before.High:G4}]"));
        if (result is { Full: { } full, Lean: { } lean })
        {
            text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"file {full.FileBytes / 1e6:F1} -> {lean.FileBytes / 1e6:F1} MB, KV {full.KvBytesPerToken} -> {lean.KvBytesPerToken} bytes a token, "
                + $"prefill {full.PrefillTokensPerSecond:F0} -> {lean.PrefillTokensPerSecond:F0} and decode {full.DecodeTokensPerSecond:F1} -> {lean.DecodeTokensPerSecond:F1} tokens a second"));
        }

        if (result.Decode is { } decode) text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"one decode step at {decode.Context} tokens: {decode.FullMs:F2} -> {decode.LeanMs:F2} ms"));
        if (result.Full is not null) text.WriteLine($"report: {output}.report.html");
        if (result.OutputPath is { } written) text.WriteLine($"lean model: {written}");
    }
}
