using System.Globalization;
using FinerCut.Jobs;
using Spectre.Console;

namespace FinerCut.Gateway.Demo;

/// <summary>The demo's closing table: one row a measure, full model beside lean.</summary>
public static class DemoTable
{
    public static Table Draw(PruneResult result, TrafficTally swap)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(swap);
        var table = new Table().Border(TableBorder.Rounded).AddColumn("").AddColumn(new TableColumn("full").RightAligned()).AddColumn(new TableColumn("lean").RightAligned())
            .AddColumn(new TableColumn("lean/full").RightAligned());
        if (result is { Full: { } full, Lean: { } lean })
        {
            Row(table, "file, MB", full.FileBytes / 1e6, lean.FileBytes / 1e6, "0.0");
            Row(table, "sublayers", full.Sublayers, lean.Sublayers, "0");
            Row(table, "KV bytes a token", full.KvBytesPerToken, lean.KvBytesPerToken, "0");
            Row(table, "prefill, tok/s", full.PrefillTokensPerSecond, lean.PrefillTokensPerSecond, "0");
            Row(table, "decode, tok/s", full.DecodeTokensPerSecond, lean.DecodeTokensPerSecond, "0.0");
        }

        foreach (var check in result.Gate?.Checks ?? [])
        {
            var value = check.Value;
            table.AddRow(Markup.Escape($"held-out {check.Name}"), "",
                Text($"{value.Mean:0.000} ({value.Low:0.000}–{value.High:0.000})"), Text($"limit {check.Limit:0.###}: {(check.Passed ? "kept" : "not kept")}"));
        }

        table.AddRow("requests during the swap", "", Text($"{swap.Sent} sent"), Text($"{swap.Failed} failed, {swap.Cut} cut, {swap.Mixed} mixed"));
        return table;
    }

    private static void Row(Table table, string name, double? full, double? lean, string format) =>
        table.AddRow(name, Text(full, format), Text(lean, format), full > 0 && lean is not null ? Text(lean / full, "0.00×") : "");

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "not measured";

    private static string Text(FormattableString text) => Markup.Escape(text.ToString(CultureInfo.InvariantCulture));
}
