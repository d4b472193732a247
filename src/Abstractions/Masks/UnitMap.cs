using System.Collections.Immutable;

namespace FinerCut.Masks;

/// <summary>
/// The units that a model is divided into: for each sublayer a list of units, for each unit the KV-head groups or channel blocks that it
/// holds. Together the units of a sublayer hold each of its parts exactly once; a sublayer is gone when all its units are. Immutable.
/// </summary>
public sealed class UnitMap
{
    private readonly ImmutableArray<int> _first;

    /// <param name="shape">The model.</param>
    /// <param name="channelBlock">Channels of one channel block: the quantisation block of the tensor cut by columns, or the whole FFN.</param>
    /// <param name="parts">For each sublayer in order of <see cref="Sublayer.Order"/> (2 × blocks; empty where there is none) its units' parts, each ascending.</param>
    /// <exception cref="ArgumentException">Parts missing, twice or out of range.</exception>
    public UnitMap(ModelShape shape, int channelBlock, ImmutableArray<ImmutableArray<ImmutableArray<int>>> parts)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channelBlock);
        if (parts.Length != 2 * shape.Blocks.Length) throw new ArgumentException($"Expected {2 * shape.Blocks.Length} sublayers, got {parts.Length}.", nameof(parts));
        Shape = shape;
        ChannelBlock = channelBlock;
        Parts = parts;
        var first = ImmutableArray.CreateBuilder<int>(parts.Length + 1);
        var count = 0;
        for (var order = 0; order < parts.Length; order++)
        {
            first.Add(count);
            count += parts[order].Length;
            CheckCover(Sublayer.FromOrder(order), parts[order]);
        }

        first.Add(count);
        _first = first.MoveToImmutable();
    }

    public ModelShape Shape { get; }

    /// <summary>Channels of one channel block; an FFN's last block may be shorter.</summary>
    public int ChannelBlock { get; }

    public ImmutableArray<ImmutableArray<ImmutableArray<int>>> Parts { get; }

    /// <summary>All units of the model.</summary>
    public int Count => _first[^1];

    /// <summary>One unit a sublayer: the paper's grain.</summary>
    public static UnitMap Sublayers(ModelShape shape, int channelBlock = 32) => Divide(shape, channelBlock, wholeAttention: true, slices: 1);

    /// <summary>One unit a KV-head group and <paramref name="slices"/> contiguous slices (fewer where the FFN is too narrow) of channel blocks a FFN.</summary>
    public static UnitMap Fine(ModelShape shape, int channelBlock, int slices) => Divide(shape, channelBlock, wholeAttention: false, slices);

    /// <summary>Number of parts (KV-head groups or channel blocks) that a sublayer has.</summary>
    public int PartCount(Sublayer sublayer)
    {
        var block = Shape.Blocks[sublayer.Block];
        return sublayer.Kind == SublayerKind.Attention ? block.KvGroupCount : (block.FfnLength + ChannelBlock - 1) / ChannelBlock;
    }

    /// <summary>Index of the unit among all units, as <see cref="CutMask"/> counts them.</summary>
    public int IndexOf(Unit unit)
    {
        var order = unit.Sublayer.Order;
        if ((uint)order >= (uint)Parts.Length || (uint)unit.Index >= (uint)Parts[order].Length) throw new ArgumentOutOfRangeException(nameof(unit), unit, "No such unit in this model.");
        return _first[order] + unit.Index;
    }

    public Unit UnitAt(int index)
    {
        var order = _first.BinarySearch(index);
        if (order < 0) order = ~order - 1;
        while (Parts[order].Length == 0) order++;
        return new Unit(Sublayer.FromOrder(order), index - _first[order]);
    }

    /// <summary>Unit indices [start, end) of a sublayer.</summary>
    public (int Start, int End) RangeOf(Sublayer sublayer) => (_first[sublayer.Order], _first[sublayer.Order + 1]);

    private static UnitMap Divide(ModelShape shape, int channelBlock, bool wholeAttention, int slices)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(slices);
        var parts = ImmutableArray.CreateBuilder<ImmutableArray<ImmutableArray<int>>>(2 * shape.Blocks.Length);
        foreach (var block in shape.Blocks)
        {
            // Attention without KV heads is a linear layer: it has no parts, but it is still one removable unit.
            parts.Add(block.HeadCount == 0 ? [] : wholeAttention || block.KvGroupCount == 0 ? [Range(0, block.KvGroupCount)] : Split(block.KvGroupCount, block.KvGroupCount));
            parts.Add(block.FfnLength == 0 ? [] : Split((block.FfnLength + channelBlock - 1) / channelBlock, slices));
        }

        return new UnitMap(shape, channelBlock, parts.MoveToImmutable());
    }

    private static ImmutableArray<ImmutableArray<int>> Split(int parts, int units)
    {
        units = Math.Min(units, parts);
        return [.. Enumerable.Range(0, units).Select(unit => Range(unit * parts / units, (unit + 1) * parts / units))];
    }

    private static ImmutableArray<int> Range(int start, int end) => [.. Enumerable.Range(start, end - start)];

    private void CheckCover(Sublayer sublayer, ImmutableArray<ImmutableArray<int>> units)
    {
        if (units.Length == 0) return;
        var seen = new bool[PartCount(sublayer)];
        foreach (var part in units.SelectMany(unit => unit))
        {
            if ((uint)part >= (uint)seen.Length || seen[part]) throw new ArgumentException($"{sublayer}: part {part} is out of range or in two units.");
            seen[part] = true;
        }

        if (seen.Contains(false)) throw new ArgumentException($"{sublayer}: part {Array.IndexOf(seen, false)} is in no unit.");
    }
}
