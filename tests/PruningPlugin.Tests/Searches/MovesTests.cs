using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Tests.Searches;

public class MovesTests
{
    private static readonly UnitMap Units = UnitMap.Fine(Landscape.Map(2).Shape, channelBlock: 32, slices: 3);

    [Fact]
    public void Moves_of_all_grains_stand_in_the_order_of_the_stream()
    {
        Assert.Equal(
            ["block:0", "attn:0", "attn:0/kv0", "attn:0/kv1", "ffn:0", "ffn:0/slice0", "ffn:0/slice1", "ffn:0/slice2",
             "block:1", "attn:1", "attn:1/kv0", "attn:1/kv1", "ffn:1", "ffn:1/slice0", "ffn:1/slice1", "ffn:1/slice2"],
            Names(Moves.AllGrains));
        Assert.Equal(["attn:0", "ffn:0", "attn:1", "ffn:1"], Names([PruneGrain.Sublayer]));
        Assert.Equal(["block:0", "block:1"], Names([PruneGrain.Block]));
        Assert.Equal(["attn:0/kv0", "attn:0/kv1", "attn:1/kv0", "attn:1/kv1"], Names([PruneGrain.KvGroup]));
    }

    [Fact]
    public void What_must_stay_is_touched_by_no_move()
    {
        var moves = Moves.Of(Units, Moves.AllGrains, new HashSet<Sublayer> { new(0, SublayerKind.Ffn) });
        Assert.Equal(["attn:0", "attn:0/kv0", "attn:0/kv1", "block:1"], moves.Take(4).Select(move => move.Name));
        Assert.DoesNotContain(moves, move => move.Units.Any(unit => Units.UnitAt(unit).Sublayer is { Block: 0, Kind: SublayerKind.Ffn }));
    }

    [Fact]
    public void Slices_go_in_order_and_come_back_in_the_reverse_one()
    {
        var problem = Landscape.Problem(Units, new SearchBudget(null, 1000), grains: [PruneGrain.Sublayer, PruneGrain.FfnSlice]);
        string[] Open(CutMask mask) => [.. problem.Open(mask).Select(index => problem.Candidates[index].Name).Where(name => name.StartsWith("ffn:0", StringComparison.Ordinal))];
        string[] Undoable(CutMask mask) => [.. problem.Undoable(mask).Select(index => problem.Candidates[index].Name)];
        var (start, _) = Units.RangeOf(new Sublayer(0, SublayerKind.Ffn));
        var none = CutMask.None(Units);
        Assert.Equal(["ffn:0", "ffn:0/slice0"], Open(none));
        Assert.Equal(["ffn:0", "ffn:0/slice1"], Open(none.With(start)));
        Assert.Empty(Undoable(none));
        Assert.Equal(["ffn:0/slice1"], Undoable(none.With(start).With(start + 1)));
        Assert.Equal(["ffn:0", "ffn:0/slice2"], Undoable(none.With(new Sublayer(0, SublayerKind.Ffn))));
    }

    private static IEnumerable<string> Names(ImmutableArray<PruneGrain> grains) => Moves.Of(Units, grains, ImmutableHashSet<Sublayer>.Empty).Select(move => move.Name);
}
