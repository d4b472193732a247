using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Rewriting;

/// <summary>One block of a lean file: whose attention and whose FFN it holds. Null where it has none of its own.</summary>
internal sealed record PackedBlock(int? Attention, int? Ffn)
{
    /// <summary>What stands in the FFN's place instead; null where nothing does.</summary>
    public HealingSite? Site { get; init; }

    /// <summary>
    /// Packs the kept sublayers into as few blocks as hold them: only their order in the residual stream matters, so attention of block 5 may
    /// be followed by the FFN of block 8. A healing site stands where its sublayer was, as an FFN. Pure.
    /// </summary>
    public static ImmutableArray<PackedBlock> Pack(CutMask mask, HealedModel? healed = null)
    {
        var blocks = ImmutableArray.CreateBuilder<PackedBlock>();
        int? waiting = null;
        foreach (var sublayer in mask.Units.Shape.Sublayers())
        {
            if (mask.IsGone(sublayer))
            {
                if (healed?.Sites.FirstOrDefault(site => site.Sublayer == sublayer) is not { } site) continue;
                blocks.Add(new PackedBlock(waiting, null) { Site = site });
                waiting = null;
                continue;
            }

            if (sublayer.Kind == SublayerKind.Ffn)
            {
                blocks.Add(new PackedBlock(waiting, sublayer.Block));
                waiting = null;
                continue;
            }

            if (waiting is not null) blocks.Add(new PackedBlock(waiting, null));
            waiting = sublayer.Block;
        }

        if (waiting is not null) blocks.Add(new PackedBlock(waiting, null));
        return blocks.ToImmutable();
    }
}
