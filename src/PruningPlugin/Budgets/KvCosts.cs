using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Budgets;

/// <summary>Bytes of keys and values that a token takes in the memory, at f16. Pure.</summary>
public static class KvCosts
{
    /// <summary>Of so many KV heads: one key and one value of two bytes an element each.</summary>
    public static long BytesOf(ModelShape shape, int kvHeads)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return 2L * kvHeads * shape.HeadLength * sizeof(short);
    }

    public static long Total(ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return shape.Blocks.Sum(block => BytesOf(shape, block.KvGroupCount));
    }

    /// <summary>What each unit has of them: FFNs none, attention its KV heads'.</summary>
    /// <param name="standIns">Whether a block without attention gets one head of zeros in the lean file, as in openelm and step35: that one stays.</param>
    public static UnitCosts Of(UnitMap units, bool standIns)
    {
        ArgumentNullException.ThrowIfNull(units);
        var heads = Enumerable.Range(0, units.Count).Select(units.UnitAt)
            .Select(unit => unit.Sublayer.Kind == SublayerKind.Attention ? units.Parts[unit.Sublayer.Order][unit.Index].Length : 0);
        return new UnitCosts(
            units,
            [.. heads.Select(count => BytesOf(units.Shape, count))],
            [.. Enumerable.Range(0, units.Parts.Length).Select(order => standIns && order % 2 == 0 && units.Parts[order].Length > 0 ? -BytesOf(units.Shape, 1) : 0)]);
    }
}
