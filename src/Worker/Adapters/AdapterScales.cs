using System.Collections.Immutable;
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

    public int Count => _adapters.Length;

    public IEnumerable<string> Paths => _adapters.Select(adapter => adapter.Path);

    /// <summary>For requests that name none.</summary>
    public ImmutableArray<float> Default
    {
        get => _sets[_default];
        set => _default = SetOf(value);
    }

    /// <summary>The number of a request's set.</summary>
    /// <param name="scales">Default = those of the context.</param>
    public int Resolve(ImmutableArray<float> scales) => scales.IsDefault ? _default : SetOf(scales);

    /// <summary>What the next decode uses.</summary>
    public void Use(int set)
    {
        if (set == _used) return;
        var scales = _sets[set];
        _native!.Use([.. _adapters.Select((adapter, i) => (adapter, scales[i])).Where(entry => entry.Item2 != 0)]);
        _used = set;
    }

    private int SetOf(ImmutableArray<float> scales)
    {
        var at = _sets.FindIndex(set => set.SequenceEqual(scales));
        if (at >= 0) return at;
        _sets.Add(scales);
        return _sets.Count - 1;
    }
}
