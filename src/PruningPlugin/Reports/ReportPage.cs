using System.Globalization;
using System.Net;
using System.Text;
using FinerCut.Jobs;

namespace FinerCut.Pruning.Reports;

/// <summary>A job's result as one HTML page that needs nothing else: no scripts, no fonts, no addresses. Pure.</summary>
public static class ReportPage
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c1d1f;--soft:#5b6067;--line:#dcdcd6;--bg:#fff;--gone:#d9d9d4;--kept:#3f6f9f;--mark:#0b5fae}
        @media(prefers-color-scheme:dark){:root{--ink:#e9eaec;--soft:#a6abb3;--line:#34373d;--bg:#141518;--gone:#34373d;--kept:#6fa3d6;--mark:#7db8f2}}
        body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:60rem;margin:2rem auto;padding:0 1rem}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.25rem 1rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
        .soft{color:var(--soft)}.scroll{overflow-x:auto}svg text{fill:var(--soft);font-size:11px}pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;font:inherit}td{max-width:24rem}
        """;

    public static string Write(PruneResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{Text(result.JobId)}: what was removed, and what it cost</title><style>{Style}</style></head><body>");
        page.Append(CultureInfo.InvariantCulture, $"<h1>{Text(result.JobId)}: {Text(Word(result.Outcome))}</h1>");
        page.Append("<p class=\"soft\">A model of this kind is a stack of blocks. Each block adds two things to a stream of numbers that runs from the first to the last: attention (looks at earlier tokens) and an FFN (looks at the token itself). A job removes those parts whose absence changes the model's next-token probabilities least on recorded traffic, makes up for what is missing, and compares both models on traffic that the search has not seen.</p>");
        Summary(page, result);
        Budget(page, result);
        if (!result.Notes.IsEmpty) page.Append("<h2>How it was done</h2><ul>").AppendJoin("", result.Notes.Select(note => $"<li>{Text(note)}</li>")).Append("</ul>");
        page.Append("<h2>What went</h2>").Append(ReportPictures.Blocks(result));
        page.Append("<h2>How the distance grew</h2>").Append(ReportPictures.Curve(result));
        Steps(page, result);
        Gate(page, result);
        Sensitivity(page, result);
        Examples(page, result);
        return page.Append("</body></html>\n").ToString();
    }

    internal static string Text(string? text) => WebUtility.HtmlEncode(text ?? "");

    internal static string Figure(double? value) => value is { } number ? number.ToString(Math.Abs(number) < 10_000 ? "G4" : "N0", CultureInfo.InvariantCulture) : "–";

    private static string Interval(Estimate estimate) => $"{Figure(estimate.Low)} to {Figure(estimate.High)}";

    private static Estimate? MeanKl(PruneResult result) => result.Gate?.Checks.FirstOrDefault(check => check.Name == Gates.Gate.MeanKl)?.Value;

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("F2", CultureInfo.InvariantCulture);

    private static string Word<T>(T value)
        where T : struct, Enum => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()).Replace('_', ' ');

    private static void Summary(StringBuilder page, PruneResult result)
    {
        if (result is not { Full: { } full, Lean: { } lean }) return;
        page.Append("<h2>Before and after</h2><table><tr><th></th><th>full</th><th>lean</th><th>lean/full</th></tr>");
        Row("file, MB", full.FileBytes / 1e6, lean.FileBytes / 1e6);
        Row("sublayers", full.Sublayers, lean.Sublayers);
        Row("KV bytes a token", full.KvBytesPerToken, lean.KvBytesPerToken);
        Row("prefill, tokens a second", full.PrefillTokensPerSecond, lean.PrefillTokensPerSecond);
        Row("decode, tokens a second", full.DecodeTokensPerSecond, lean.DecodeTokensPerSecond);
        page.Append("</table>");
        Healing(page, result);

        void Row(string name, double? before, double? after) =>
            page.Append(CultureInfo.InvariantCulture, $"<tr><th>{name}</th><td>{Figure(before)}</td><td>{Figure(after)}</td><td>{Figure(after / before)}</td></tr>");
    }

    private static void Healing(StringBuilder page, PruneResult result)
    {
        if (result.Healed.IsEmpty) return;
        page.Append(CultureInfo.InvariantCulture, $"<p>Healed, at the price of {Megabytes(result.HealingBytes)} MB: {Text(string.Join(", ", result.Healed))}.");
        if (result.UnhealedKl is { } before && MeanKl(result) is { } after)
        {
            page.Append(CultureInfo.InvariantCulture, $" Not healed the same cut is {Figure(before.Mean)} ({Interval(before)}) nats a token from the full model on held-out traffic, healed {Figure(after.Mean)}.");
        }

        page.Append("</p>");
        if (result.HealingGains.IsEmpty) return;
        page.Append("<details><summary>What each left</summary><table><tr><th>healed</th><th>share of the error left, on text not fitted</th><th>MB added</th></tr>");
        foreach (var gain in result.HealingGains) page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(gain.Name)}</td><td>{Figure(gain.Left)}</td><td>{Figure(gain.Bytes / 1e6)}</td></tr>");
        page.Append("</table></details>");
    }

    private static void Budget(StringBuilder page, PruneResult result)
    {
        if (result.Budget.IsEmpty) return;
        page.Append("<h2>What was asked for</h2><table><tr><th></th><th>asked</th><th>reached by what went</th></tr>");
        foreach (var part in result.Budget) page.Append(CultureInfo.InvariantCulture, $"<tr><th>{Text(part.Name.Replace('_', ' '))}</th><td>{Figure(part.Asked)}</td><td>{Figure(part.Reached)}</td></tr>");
        page.Append("</table>");
        if (result.Decode is { } decode) page.Append(CultureInfo.InvariantCulture, $"<p>One decode step with {decode.Context} tokens in the memory takes {Figure(decode.FullMs)} ms in the full model and {Figure(decode.LeanMs)} ms in the lean one.</p>");
        if (result.Tries.IsEmpty) return;
        page.Append("<p class=\"soft\">The leanest that passes was asked for. Points were chosen on one half of the held-out conversations and proved on the other, which nothing was chosen on; the level of each try makes the whole as strict as a single one.</p>");
        page.Append("<table><tr><th>steps</th><th>MB</th><th>half</th><th>mean KL</th><th>interval</th><th></th></tr>");
        foreach (var tried in result.Tries)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{tried.Steps}</td><td>{Megabytes(tried.Bytes)}</td><td>{(tried.Proving ? "proving" : "choosing")}</td><td>{Figure(tried.MeanKl.Mean)}</td><td>{Interval(tried.MeanKl)}</td><td>{(tried.Passed ? "passed" : "refused")}</td></tr>");
        }

        page.Append("</table>");
    }

    private static void Steps(StringBuilder page, PruneResult result)
    {
        if (result.Steps.IsEmpty) return;
        page.Append("<details><summary>Every step</summary><div class=\"scroll\"><table><tr><th>step</th><th>removed</th><th>distance after</th><th>MB removed by it</th><th>KV bytes a token</th><th>ms a decode step</th><th>masks scored</th><th>seconds</th></tr>");
        foreach (var step in result.Steps)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{step.Number}</td><td>{Text(step.Removed)}</td><td>{Figure(step.Distance)}</td><td>{Megabytes(step.Bytes)}</td><td>{step.KvBytes}</td><td>{Figure(step.DecodeMs)}</td><td>{step.Evaluations}</td><td>{Figure(step.Seconds)}</td></tr>");
        }

        page.Append(CultureInfo.InvariantCulture, $"</table></div></details><p class=\"soft\">{result.Evaluations} masks were scored on {result.CalibrationTokens} tokens.</p>");
    }

    private static void Gate(StringBuilder page, PruneResult result)
    {
        if (result.Gate is not { } gate) return;
        page.Append(CultureInfo.InvariantCulture, $"<h2>The gate: {(gate.Passed ? "passed" : "refused")}</h2><p class=\"soft\">{gate.Conversations} held-out conversations, {gate.Tokens} tokens, lean file against full model. Intervals are bootstrapped over conversations; their unfavourable end must keep the limit.</p>");
        page.Append("<table><tr><th>check</th><th>value</th><th>interval</th><th>limit</th><th></th></tr>");
        foreach (var check in gate.Checks)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><th>{Text(check.Name.Replace('_', ' '))}</th><td>{Figure(check.Value.Mean)}</td><td>{Interval(check.Value)}</td><td>{Figure(check.Limit)}</td><td>{(check.Passed ? "kept" : "broken")}</td></tr>");
        }

        page.Append("</table>");
        if (result.CalibrationKl is not { } seen || MeanKl(result) is not { } unseen) return;
        page.Append(CultureInfo.InvariantCulture, $"<p>On the {result.CalibrationTokens} tokens of calibration, which the search looked at, the mean KL is {Figure(seen.Mean)} ({Interval(seen)}). The gap to held-out traffic, {Figure(unseen.Mean - seen.Mean)}, is what was chosen for these tokens only: more traffic makes it smaller.</p>");
    }

    private static void Sensitivity(StringBuilder page, PruneResult result)
    {
        if (result.Sensitivity.IsEmpty) return;
        page.Append("<h2>What each sublayer is worth</h2><p class=\"soft\">Distance from the full model with that sublayer alone removed; the least first.</p><details><summary>All</summary><table><tr><th>sublayer</th><th>distance</th><th>share of the tokens asked</th></tr>");
        foreach (var item in result.Sensitivity.OrderBy(item => item.Distance)) page.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(item.Name)}</td><td>{Figure(item.Distance)}</td><td>{Figure(item.Share)}</td></tr>");
        page.Append("</table></details>");
    }

    private static void Examples(StringBuilder page, PruneResult result)
    {
        if (result.Examples.IsEmpty) return;
        page.Append("<h2>Full and lean, side by side</h2><p class=\"soft\">Greedy continuations of openings that come with the program; no recorded traffic is shown here.</p><div class=\"scroll\"><table><tr><th>opening</th><th>full</th><th>lean</th></tr>");
        foreach (var example in result.Examples)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td><pre>{Text(example.Opening)}</pre></td><td><pre>{Text(example.Full)}</pre></td><td><pre>{Text(example.Lean)}</pre></td></tr>");
        }

        page.Append("</table></div>");
    }
}
