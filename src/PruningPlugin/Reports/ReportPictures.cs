using System.Globalization;
using System.Text;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Reports;

/// <summary>The report's pictures as SVG. Pure.</summary>
internal static class ReportPictures
{
    private const int Cell = 20;
    private const int Left = 70;
    private const int AttentionHeight = 48;
    private const int FfnHeight = 96;

    /// <summary>
    /// Blocks from left to right, above the KV groups of their attention, below the slices of their FFN. Grey: removed. Colour: how much the output suffers without the part,
    /// where the search asked. Dot: healed.
    /// </summary>
    public static string Blocks(PruneResult result)
    {
        var healed = result.Healed.Select(text => text.Split(' ')[0]).ToHashSet(StringComparer.Ordinal);
        var heat = new HeatScale(result);
        var (width, height) = (Left + (result.Blocks * Cell), AttentionHeight + FfnHeight + 60);
        var picture = new StringBuilder();
        picture.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\"><svg width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"Removed: {ReportPage.Text(string.Join(", ", result.Removed))}\"><text x=\"0\" y=\"{8 + (AttentionHeight / 2)}\">attention</text><text x=\"0\" y=\"{26 + AttentionHeight + (FfnHeight / 2)}\">FFN</text>");
        foreach (var sublayer in result.Units)
        {
            if (!Sublayer.TryParse(sublayer.Name, out var place)) continue;
            var (top, tall) = place.Kind == SublayerKind.Attention ? (4, AttentionHeight) : (22 + AttentionHeight, FfnHeight);
            var (x, each) = (Left + (place.Block * Cell), (double)tall / sublayer.Count);
            var gap = each > 4 ? 1 : 0;
            picture.Append("<g>");
            for (var unit = 0; unit < sublayer.Count; unit++)
            {
                var gone = sublayer.Removed.Contains(unit);
                var fill = gone ? "var(--gone)" : heat.Of(sublayer, unit) is { } warmth ? $"color-mix(in srgb,#d1495b {100 * warmth:F0}%,#2e7fb8)" : "var(--kept)";
                var title = $"{(sublayer.Count == 1 ? sublayer.Name : new Unit(place, unit).ToString())}: {(gone ? "removed" : "kept")}";
                picture.Append(CultureInfo.InvariantCulture, $"<rect x=\"{x}\" y=\"{top + (unit * each):F1}\" width=\"{Cell - 2}\" height=\"{each - gap:F1}\" fill=\"{fill}\"><title>{title}</title></rect>");
            }

            if (healed.Contains(sublayer.Name)) picture.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{x + (Cell / 2) - 1}\" cy=\"{top + tall + 6}\" r=\"4\" fill=\"#1b8a4b\"><title>{sublayer.Name}: healed</title></circle>");
            picture.Append("</g>");
        }

        for (var block = 0; block < result.Blocks; block += 5) picture.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + (block * Cell)}\" y=\"{height - 6}\">{block}</text>");
        return picture.Append("</svg></div><p class=\"soft\">Each column is a block: the KV-head groups of its attention above, the slices of its FFN below, the least important first. Grey: removed. From blue to red: how much the output suffers without that part. Dot: healed.</p>").ToString();
    }

    /// <summary>Distance over megabytes removed, one dot a step.</summary>
    public static string Curve(PruneResult result)
    {
        const int Width = 640, Height = 260, Margin = 60;
        var points = new List<(double X, double Y, string Name)> { (0, 0, "nothing") };
        long bytes = 0;
        foreach (var step in result.Steps) points.Add(((bytes += step.Bytes) / 1e6, step.Distance, step.Removed));
        var finite = points.Where(point => double.IsFinite(point.Y)).ToArray();
        if (finite.Length < 2) return "<p>No step was made.</p>";
        var (right, top) = (Math.Max(finite.Max(point => point.X), 1e-9), Math.Max(finite.Max(point => point.Y), 1e-9));
        double X(double x) => Margin + ((Width - Margin - 20) * x / right);
        double Y(double y) => Height - 30 - ((Height - 50) * y / top);
        var picture = new StringBuilder();
        picture.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\"><svg width=\"{Width}\" height=\"{Height}\" role=\"img\" aria-label=\"Distance up to {top:G4} at {right:F1} MB\">");
        foreach (var share in new[] { 0, 0.5, 1 })
        {
            picture.Append(CultureInfo.InvariantCulture, $"<line x1=\"{Margin}\" x2=\"{Width - 20}\" y1=\"{Y(share * top):F1}\" y2=\"{Y(share * top):F1}\" stroke=\"var(--line)\"/><text x=\"{Margin - 8}\" y=\"{Y(share * top) + 4:F1}\" text-anchor=\"end\">{share * top:G3}</text><text x=\"{X(share * right):F1}\" y=\"{Height - 8}\" text-anchor=\"middle\">{share * right:F1} MB</text>");
        }

        picture.Append(CultureInfo.InvariantCulture, $"<polyline fill=\"none\" stroke=\"var(--mark)\" stroke-width=\"2\" points=\"{string.Join(' ', finite.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.X):F1},{Y(point.Y):F1}")))}\"/>");
        foreach (var point in finite) picture.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{X(point.X):F1}\" cy=\"{Y(point.Y):F1}\" r=\"4\" fill=\"var(--mark)\"><title>{ReportPage.Text(point.Name)}: {point.Y:G4}</title></circle>");
        return picture.Append("</svg></div><p class=\"soft\">Before healing, on the calibration set, by the job's own measure.</p>").ToString();
    }
}
