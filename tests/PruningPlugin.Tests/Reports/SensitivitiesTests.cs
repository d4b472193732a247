using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Reports;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Tests.Reports;

public sealed class SensitivitiesTests : IDisposable
{
    /// <summary>Two blocks: attention of two KV groups (units 0, 1 and 6, 7), FFN of four slices (2 to 5 and 8 to 11).</summary>
    private static readonly UnitMap Units = UnitMap.Fine(new ModelShape("llama", 64, 16, 100, [.. Enumerable.Repeat(new BlockShape(4, 2, 128, 10, 30), 2)], 80), 32, 4);

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-sensitivities-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_unit_has_the_distance_that_it_had_alone_on_the_most_tokens()
    {
        var journal = Journal(([1], 0.25, 0.5), ([1], 1, 0.4), ([1, 2], 1, 0.9), ([2], 0.25, 0.1), ([3], 1, double.PositiveInfinity));
        var found = Sensitivities.OfUnits(journal, Units, []);
        Assert.Equal([null, 0.4, 0.1, null, null, null, null, null, null, null, null, null], found);
    }

    [Fact]
    public void Units_that_the_surgeon_scored_together_share_the_distance_by_their_errors()
    {
        var errors = Enumerable.Range(0, 12).Select(unit => new UnitError(unit, unit switch { 2 => 1, 3 => 3, 4 => 8, _ => 0 })).ToImmutableArray().SetItem(5, new UnitError(double.PositiveInfinity, 4));
        var found = Sensitivities.OfUnits(Journal(([2, 3], 0.25, 0.2)), Units, errors);
        Assert.Equal(new double?[] { 0.05, 0.15, 0.4, null }, found.AsSpan(2..6).ToArray().Select(distance => distance is { } known ? Math.Round(known, 12) : distance));
        Assert.All(found.Where((_, unit) => unit is < 2 or > 5), distance => Assert.Null(distance));
    }

    [Fact]
    public void Each_sublayer_says_its_units_and_which_are_gone()
    {
        var described = Sensitivities.Describe(CutMask.Of(Units, [0, 1, 9]), Sensitivities.OfUnits(Journal(([8], 1, 0.3)), Units, []));
        Assert.Equal(["attn:0", "ffn:0", "attn:1", "ffn:1"], described.Select(sublayer => sublayer.Name));
        Assert.Equal([2, 4, 2, 4], described.Select(sublayer => sublayer.Count));
        Assert.Equal([[0, 1], [], [], [1]], described.Select(sublayer => sublayer.Removed.ToArray()));
        Assert.Equal([0, 0, 0, 4], described.Select(sublayer => sublayer.Distances.Length));
        Assert.Equal(0.3, described[3].Distances[0]);
    }

    private EvaluationJournal Journal(params (int[] Units, double Share, double Distance)[] scores)
    {
        var journal = EvaluationJournal.Open(Path.Combine(_folder, "checkpoint.json"), "job");
        foreach (var (units, share, distance) in scores) journal.Add(CutMask.Of(Units, units), share, distance, 1);
        return journal;
    }
}
