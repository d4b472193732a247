using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Runtime;

namespace FinerCut.Worker.Adapters;

/// <summary>
/// The LoRA adapters of a context, and which strengths its next decode uses. A set of strengths has a number, so that sequences computed with one
/// are never mistaken for those of another; 0 is the bare model. Belongs to the loop's thread, but <see cref="Count"/> and <see cref="Paths"/>.
/// </summary>
public sealed class AdapterScales
{
    private readonly ILoraAdapters? _native;
    private readonly ImmutableArray<LoraAdapter> _adapters;
    /// <summary>By their numbers; default where a number is free.</summary>
    private readonly List<ImmutableArray<float>> _sets = [];
    private int _used;
    private int _default;

    /// <param name="native">Null where there are no adapters.</param>
    /// <param name="scales">Of each adapter, for requests that name none.</param>
    public AdapterScales(ILoraAdapters? native, ImmutableArray<LoraAdapter> adapters, ImmutableArray<float> scales)
    {
        _native = native;
        _adapters = adapters;
        _sets.Add([.. adapters.Select(_ => 0f)]);
        _default = SetOf(scales);
    }

    public static AdapterScales None { get; } = new(null, [], []);

    /// <summary>Sets that have a number.</summary>
    public int Known => _sets.Count(set => !set.IsDefault);

    public int Count => _adapters.Length;

    public IEnumerable<string> Paths => _adapters.Select(adapter => adapter.Path);

    /// <summary>SHA-256 of each adapter's file; empty where nothing is saved.</summary>
    public ImmutableArray<string> Fingerprints { get; init; } = [];

    /// <summary>For requests that name none.</summary>
    public ImmutableArray<float> Default
    {
        get => _sets[_default];
        set => _default = SetOf(value);
    }

    /// <summary>The number of a request's set.</summary>
    /// <param name="scales">Default = those of the context.</param>
    public int Resolve(ImmutableArray<float> scales) => scales.IsDefault ? _default : SetOf(scales);

    /// <summary>A set as text, for whoever has the same adapters' files: "fingerprint:strength" of those that have one.</summary>
    public string Describe(int set) => _sets[set].IsDefault ? "" : string.Join(' ', _sets[set]
        .Select((scale, i) => (scale, i)).Where(entry => entry.scale != 0)
        .Select(entry => string.Create(CultureInfo.InvariantCulture, $"{Fingerprints[entry.i]}:{entry.scale:R}")));

    /// <summary>The number of a set that <see cref="Describe"/> told of; null where an adapter of it is not here.</summary>
    public int? Find(string description)
    {
        ArgumentNullException.ThrowIfNull(description);
        var scales = new float[Count];
        foreach (var part in description.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf(':', StringComparison.Ordinal);
            var adapter = at < 0 ? -1 : Fingerprints.IndexOf(part[..at]);
            if (adapter < 0 || !float.TryParse(part.AsSpan(at + 1), CultureInfo.InvariantCulture, out scales[adapter])) return null;
        }

        return SetOf([.. scales]);
    }

    /// <summary>What the next decode uses.</summary>
    public void Use(int set)
    {
        if (set == _used) return;
        var scales = _sets[set];
        _native!.Use([.. _adapters.Select((adapter, i) => (adapter, scales[i])).Where(entry => entry.Item2 != 0)]);
        _used = set;
    }

    /// <summary>Frees the numbers of sets that nobody uses: clients may name any strengths.</summary>
    /// <param name="used">Numbers that generations or sequences have.</param>
    public void Keep(IReadOnlySet<int> used)
    {
        ArgumentNullException.ThrowIfNull(used);
        for (var set = 1; set < _sets.Count; set++)
        {
            if (set != _used && set != _default && !used.Contains(set)) _sets[set] = default;
        }
    }

    private int SetOf(ImmutableArray<float> scales)
    {
        var at = _sets.FindIndex(set => !set.IsDefault && set.SequenceEqual(scales));
        if (at >= 0) return at;
        if (_sets.FindIndex(set => set.IsDefault) is >= 0 and var free)
        {
            _sets[free] = scales;
            return free;
        }

        _sets.Add(scales);
        return _sets.Count - 1;
    }
}
