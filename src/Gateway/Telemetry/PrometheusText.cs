using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace FinerCut.Gateway.Telemetry;

/// <summary>
/// Sums up this program's instruments and writes them in Prometheus' text format. Listens from its construction on. Thread-safe; a measurement
/// allocates only when its labels are seen for the first time.
/// </summary>
public sealed class PrometheusText : IDisposable
{
    public const string MeterPrefix = "FinerCut.";

    /// <summary>Label sets an instrument keeps: beyond it measurements are dropped, so that no label value from outside can fill the memory.</summary>
    private const int MostSeries = 2000;

    /// <summary>Upper bounds in the instrument's unit; times are seconds.</summary>
    private static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly ConcurrentDictionary<Instrument, ConcurrentDictionary<string, Series>> _instruments = new();
    private readonly MeterListener _listener = new();

    public PrometheusText()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!instrument.Meter.Name.StartsWith(MeterPrefix, StringComparison.Ordinal)) return;
            _instruments[instrument] = new ConcurrentDictionary<string, Series>(StringComparer.Ordinal);
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Take(instrument, value, tags));
        _listener.Start();
    }

    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach (var (instrument, series) in _instruments.OrderBy(entry => entry.Key.Name, StringComparer.Ordinal))
        {
            var name = Name(instrument);
            var kind = KindOf(instrument);
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {instrument.Description}\n# TYPE {name} {kind}\n");
            foreach (var (labels, one) in series.OrderBy(entry => entry.Key, StringComparer.Ordinal)) one.Write(text, name, labels, kind);
        }

        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_instruments.TryGetValue(instrument, out var all)) return;
        Span<char> space = stackalloc char[512];
        var labels = new ValueLabels(space);
        foreach (var tag in tags) labels.Add(tag.Key, tag.Value);
        if (!all.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(labels.Text, out var series))
        {
            if (all.Count >= MostSeries) return;
            series = all.GetOrAdd(labels.Text.ToString(), _ => new Series());
        }

        series.Take(value, KindOf(instrument));
    }

    private static string KindOf(Instrument instrument)
    {
        var type = instrument.GetType();
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        return definition == typeof(Counter<>) || definition == typeof(ObservableCounter<>) ? "counter" : definition == typeof(Histogram<>) ? "histogram" : "gauge";
    }

    private static string Name(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        return KindOf(instrument) == "counter" && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    /// <summary>One set of labels of one instrument.</summary>
    private sealed class Series
    {
        private readonly Lock _gate = new();
        private long[]? _buckets;
        private double _sum;
        private long _count;

        public void Take(double value, string kind)
        {
            lock (_gate)
            {
                _count++;
                if (kind == "histogram")
                {
                    _buckets ??= new long[Bounds.Length];
                    var at = Array.FindIndex(Bounds, bound => value <= bound);
                    if (at >= 0) _buckets[at]++;
                }

                _sum += value;
            }
        }

        public void Write(StringBuilder text, string name, string labels, string kind)
        {
            lock (_gate)
            {
                if (kind != "histogram")
                {
                    text.Append(CultureInfo.InvariantCulture, $"{name}{(labels.Length == 0 ? "" : "{" + labels + "}")} {_sum}\n");
                    return;
                }

                var comma = labels.Length == 0 ? "" : ",";
                long below = 0;
                for (var i = 0; i < Bounds.Length; i++)
                {
                    below += _buckets![i];
                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{comma}le=\"{Bounds[i]}\"}} {below}\n");
                }

                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {_count}\n");
                text.Append(CultureInfo.InvariantCulture, $"{name}_sum{{{labels}}} {_sum}\n{name}_count{{{labels}}} {_count}\n");
            }
        }
    }

    /// <summary>Writes label="value" pairs into borrowed space; what does not fit is cut off at a whole label.</summary>
    private ref struct ValueLabels(Span<char> space)
    {
        private readonly Span<char> _space = space;
        private int _length;

        public readonly ReadOnlySpan<char> Text => _space[.._length];

        public void Add(string name, object? value)
        {
            var text = value as string ?? Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            // Ids and codes hold none of these; a stray one must not break the format.
            if (text.AsSpan().IndexOfAny("\"\\\n") >= 0) text = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
            var comma = _length == 0 ? "" : ",";
            if (!_space[_length..].TryWrite(CultureInfo.InvariantCulture, $"{comma}{name}=\"{text}\"", out var written)) return;
            // Names of the conventions hold dots, which Prometheus does not take.
            _space.Slice(_length + comma.Length, name.Length).Replace('.', '_');
            _length += written;
        }
    }
}
