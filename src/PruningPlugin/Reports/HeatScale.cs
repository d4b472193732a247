using FinerCut.Jobs;

namespace FinerCut.Pruning.Reports;

/// <summary>How much the output suffers without each part, as a share of the logarithmic range that a job saw. A sublayer that was only asked as a whole gives each of its units an equal part.</summary>
internal sealed class HeatScale
{
    private readonly Dictionary<string, double> _whole;
    private readonly double _low;
    private readonly double _high;

    public HeatScale(PruneResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        _whole = result.Sensitivity.ToDictionary(item => item.Name, item => item.Distance, StringComparer.Ordinal);
        double[] seen = [.. result.Units.SelectMany(sublayer => Enumerable.Range(0, sublayer.Count).Select(unit => Distance(sublayer, unit) ?? 0)).Where(distance => distance > 0).Select(distance => Math.Log(distance))];
        (_low, _high) = seen.Length == 0 ? (0, 0) : (seen.Min(), seen.Max());
    }

    /// <summary>From 0 (suffers least) to 1 (most); null where nothing is known, or there is nothing to compare with.</summary>
    public double? Of(SublayerUnits sublayer, int unit) =>
        Distance(sublayer, unit) is not { } distance || _high <= _low ? null : distance <= 0 ? 0 : Math.Clamp((Math.Log(distance) - _low) / (_high - _low), 0, 1);

    private double? Distance(SublayerUnits sublayer, int unit) =>
        (sublayer.Distances.IsDefaultOrEmpty ? null : sublayer.Distances[unit]) ?? (_whole.TryGetValue(sublayer.Name, out var whole) ? whole / sublayer.Count : null);
}
