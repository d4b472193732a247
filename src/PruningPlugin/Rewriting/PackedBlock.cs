using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Rewriting;

/// <summary>One block of a lean file: whose attention and whose FFN it holds. Null where it has none of its own.</summary>
internal sealed record PackedBlock(int? Attention, int? Ffn)
{
    /// <summary>What stands in the FFN's place instead; null where nothing does.</summary>
    public LowRankSite? Site { get; init; }

    /// <summary>What stands in the attention's place instead; null where nothing does.</summary>
    public LinearSite? Linear { get; init; }

    /// <summary>
    /// Packs the kept sublayers into as few blocks as hold them: only their order in the residual stream matters, so attention of block 5 may
    /// be followed by the FFN of block 8. A healing site stands where its sublayer was, as an FFN or, where it is linear, as an attention. Pure.
    /// </summary>
    public static ImmutableArray<PackedBlock> Pack(CutMask mask, HealedModel? healed = null)
    {
        var blocks = ImmutableArray.CreateBuilder<PackedBlock>();
        PackedBlock? waiting = null;
        foreach (var sublayer in mask.Units.Shape.Sublayers())
        {
            var site = mask.IsGone(sublayer) ? healed?.Sites.FirstOrDefault(site => site.Sublayer == sublayer) : null;
            if (site is null && mask.IsGone(sublayer)) continue;
            if (site is LinearSite || (site is null && sublayer.Kind == SublayerKind.Attention))
            {
                if (waiting is not null) blocks.Add(waiting);
                waiting = new PackedBlock(site is null ? sublayer.Block : null, null) { Linear = site as LinearSite };
                continue;
            }

            waiting ??= new PackedBlock(null, null);
            blocks.Add(site is LowRankSite lowRank ? waiting with { Site = lowRank } : waiting with { Ffn = sublayer.Block });
            waiting = null;
        }

        if (waiting is not null) blocks.Add(waiting);
        return blocks.ToImmutable();
    }
}
