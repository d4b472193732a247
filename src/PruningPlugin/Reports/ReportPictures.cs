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

    /// <summary>Two rows over the blocks. Filled: kept. Colour: how much the output suffers without the whole sublayer, where the search asked. Dot: healed.</summary>
    public static string Blocks(PruneResult result)
    {
        var gone = result.Shares.ToDictionary(item => item.Name, item => item.Share, StringComparer.Ordinal);
        var healed = result.Healed.Select(text => text.Split(' ')[0]).ToHashSet(StringComparer.Ordinal);
        var heat = result.Sensitivity.Where(item => item.Distance > 0).ToDictionary(item => item.Name, item => Math.Log(item.Distance), StringComparer.Ordinal);
        var (low, high) = heat.Count == 0 ? (0, 0) : (heat.Values.Min(), heat.Values.Max());
        var width = Left + (result.Blocks * Cell);
        var picture = new StringBuilder();
        picture.Append(CultureInfo.InvariantCulture, $"<div class=\"scroll\"><svg width=\"{width}\" height=\"90\" role=\"img\" aria-label=\"Removed: {ReportPage.Text(string.Join(", ", result.Removed))}\"><text x=\"0\" y=\"30\">attention</text><text x=\"0\" y=\"62\">FFN</text>");
        for (var block = 0; block < result.Blocks; block++)
        {
            foreach (var (kind, y) in new[] { (SublayerKind.Attention, 12), (SublayerKind.Ffn, 44) })
            {
                var name = new Sublayer(block, kind).ToString();
                var share = gone.GetValueOrDefault(name);
                var warmth = heat.TryGetValue(name, out var value) && high > low ? (int)Math.Round(100 * (value - low) / (high - low)) : -1;
                var fill = warmth < 0 ? "var(--kept)" : $"color-mix(in srgb,#d1495b {warmth}%,#2e7fb8)";
                var (x, top) = (Left + (block * Cell), y + (28 * share));
                picture.Append(CultureInfo.InvariantCulture, $"<g><title>{name}: {(share >= 1 ? "removed" : share > 0 ? $"{100 * share:F0} % removed" : "kept")}</title><rect x=\"{x}\" y=\"{y}\" width=\"{Cell - 2}\" height=\"28\" fill=\"var(--gone)\"/><rect x=\"{x}\" y=\"{top:F1}\" width=\"{Cell - 2}\" height=\"{28 * (1 - share):F1}\" fill=\"{fill}\"/>");
                if (healed.Contains(name)) picture.Append(CultureInfo.InvariantCulture, $"<circle cx=\"{x + (Cell / 2) - 1}\" cy=\"{y + 14}\" r=\"4\" fill=\"#1b8a4b\" stroke=\"var(--bg)\"/>");
                picture.Append("</g>");
            }

            if (block % 5 == 0) picture.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + (block * Cell)}\" y=\"86\">{block}</text>");
        }

        return picture.Append("</svg></div><p class=\"soft\">Filled: kept. Grey: removed. From blue to red: how much the output suffers without the whole sublayer. Dot: healed.</p>").ToString();
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
