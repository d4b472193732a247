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

    /// <summary>Of .NET's own meter: what tells garbage from growth.</summary>
    private static readonly HashSet<string> OfRuntime = new(StringComparer.Ordinal)
    {
        "dotnet.process.memory.working_set", "dotnet.gc.last_collection.heap.size", "dotnet.gc.last_collection.memory.committed_size", "dotnet.gc.collections", "dotnet.gc.pause.time", "dotnet.thread_pool.queue.length",
    };

    /// <summary>Label sets an instrument keeps: beyond it measurements are dropped, so that no label value from outside can fill the memory.</summary>
    private const int MostSeries = 2000;

    /// <summary>Upper bounds in the instrument's unit; times are seconds.</summary>
    internal static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    private readonly ConcurrentDictionary<Instrument, Family> _instruments = new();
    private readonly MeterListener _listener = new();

    public PrometheusText()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (!instrument.Meter.Name.StartsWith(MeterPrefix, StringComparison.Ordinal) && !OfRuntime.Contains(instrument.Name)) return;
            listener.EnableMeasurementEvents(instrument, _instruments[instrument] = new Family(KindOf(instrument), instrument.IsObservable));
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, family) => Take((Family)family!, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, family) => Take((Family)family!, value, tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, family) => Take((Family)family!, value, tags));
        _listener.Start();
    }

    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        foreach (var (instrument, family) in _instruments.OrderBy(entry => entry.Key.Name, StringComparer.Ordinal))
        {
            var name = Name(instrument, family.Kind);
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {instrument.Description}\n# TYPE {name} {family.Kind}\n");
            foreach (var (labels, one) in family.Series.OrderBy(entry => entry.Key, StringComparer.Ordinal)) one.Write(text, name, labels, family.Kind);
        }

        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private static void Take(Family family, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var all = family.Series;
        Span<char> space = stackalloc char[512];
        var labels = new ValueLabels(space);
        foreach (var tag in tags) labels.Add(tag.Key, tag.Value);
        if (!all.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(labels.Text, out var series))
        {
            if (all.Count >= MostSeries) return;
            series = all.GetOrAdd(labels.Text.ToString(), _ => new Series());
        }

        series.Take(value, family);
    }

    private static string KindOf(Instrument instrument)
    {
        var type = instrument.GetType();
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        return definition == typeof(Counter<>) || definition == typeof(ObservableCounter<>) ? "counter" : definition == typeof(Histogram<>) ? "histogram" : "gauge";
    }

    private static string Name(Instrument instrument, string kind)
    {
        var name = instrument.Name.Replace('.', '_');
        return kind == "counter" && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    /// <summary>All that is measured with one instrument.</summary>
    /// <param name="Kind">Prometheus' word.</param>
    /// <param name="IsObservable">It tells its state, not a change of it.</param>
    private sealed record Family(string Kind, bool IsObservable)
    {
        public ConcurrentDictionary<string, Series> Series { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>One set of labels of one instrument.</summary>
    private sealed class Series
    {
        private readonly Lock _gate = new();
        private long[]? _buckets;
        private double _sum;
        private long _count;

        public void Take(double value, Family family)
        {
            lock (_gate)
            {
                _count++;
                if (family.Kind == "histogram")
                {
                    _buckets ??= new long[Bounds.Length];
                    var at = Array.FindIndex(Bounds, bound => value <= bound);
                    if (at >= 0) _buckets[at]++;
                }

                _sum = family.IsObservable ? value : _sum + value;
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
