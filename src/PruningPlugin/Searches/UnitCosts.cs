using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>What removing units saves in the file's tensor data. Immutable.</summary>
public sealed class UnitCosts
{
    private readonly UnitMap _units;
    private readonly ImmutableArray<long> _unitBytes;
    private readonly ImmutableArray<long> _shared;

    /// <param name="units">The model's units.</param>
    /// <param name="unitBytes">Bytes of each unit alone.</param>
    /// <param name="sharedBytes">For each sublayer (by order) what goes only when all its units are gone: norm, output bias.</param>
    public UnitCosts(UnitMap units, ImmutableArray<long> unitBytes, ImmutableArray<long> sharedBytes)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentOutOfRangeException.ThrowIfNotEqual(unitBytes.Length, units.Count);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sharedBytes.Length, units.Parts.Length);
        _units = units;
        _unitBytes = unitBytes;
        _shared = sharedBytes;
    }

    /// <summary>Of a model of which nothing is left.</summary>
    public long Total => _unitBytes.Sum() + _shared.Sum();

    public long Bytes(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        return mask.Removed().Sum(unit => _unitBytes[unit]) + mask.GoneSublayers().Sum(sublayer => _shared[sublayer.Order]);
    }

    /// <summary>The same where something new stands in the place of each sublayer that is gone: it saves that much less.</summary>
    /// <param name="bytes">Of what stands there.</param>
    public UnitCosts WithReplacement(long bytes) =>
        new(_units, _unitBytes, [.. _shared.Select((own, order) => _units.Parts[order].Length == 0 ? own : own - bytes)]);

    /// <summary>Each sublayer's bytes spread evenly over its parts, nothing shared: for models that are known by their shape only.</summary>
    public static UnitCosts Even(UnitMap units) => Even(units, sublayer => units.Shape.BytesOf(sublayer));

    /// <summary>The same of anything that sublayers have.</summary>
    public static UnitCosts Even(UnitMap units, Func<Sublayer, long> of)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(of);
        var bytes = ImmutableArray.CreateBuilder<long>(units.Count);
        var shared = ImmutableArray.CreateBuilder<long>(units.Parts.Length);
        for (var order = 0; order < units.Parts.Length; order++)
        {
            var sublayer = Sublayer.FromOrder(order);
            var total = units.Parts[order].Length == 0 ? 0 : of(sublayer);
            var parts = Math.Max(1, units.PartCount(sublayer));
            var given = 0L;
            foreach (var unit in units.Parts[order])
            {
                var share = unit.Length == 0 ? total : total * unit.Length / parts;
                given += share;
                bytes.Add(share);
            }

            shared.Add(total - given);
        }

        return new UnitCosts(units, bytes.MoveToImmutable(), shared.MoveToImmutable());
    }

    public UnitMap Units => _units;
}
