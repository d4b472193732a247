using System.Globalization;
using System.Text;

namespace FinerCut.Worker.Telemetry;

/// <summary>A histogram with fixed bounds. Thread-safe; observing allocates nothing.</summary>
/// <param name="bounds">Upper bounds, ascending; what lies above them all counts as well.</param>
public sealed class Histogram(params double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private readonly Lock _gate = new();
    private double _sum;
    private long _count;

    public void Observe(double value)
    {
        var bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket]) bucket++;
        lock (_gate)
        {
            _counts[bucket]++;
            _sum += value;
            _count++;
        }
    }

    /// <summary>Appends the series in Prometheus' text format.</summary>
    public void Write(StringBuilder text, string name, string help)
    {
        ArgumentNullException.ThrowIfNull(text);
        lock (_gate)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} histogram\n");
            long below = 0;
            for (var i = 0; i < bounds.Length; i++)
            {
                below += _counts[i];
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"{bounds[i]}\"}} {below}\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{le=\"+Inf\"}} {_count}\n{name}_sum {_sum}\n{name}_count {_count}\n");
        }
    }
}
