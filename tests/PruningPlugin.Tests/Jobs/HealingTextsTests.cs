using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;

namespace FinerCut.Pruning.Tests.Jobs;

public class HealingTextsTests
{
    /// <summary>Plain prompts have no question that could be gone on with: without other text a fit would have three quarters of its tokens only.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Plain_prompts_are_made_up_for_by_general_text_unless_that_was_given(bool given)
    {
        using var job = new TinyJob(2, request => request with { MaxHealingTokens = 1600 });
        var (context, full, sequences) = (job.Context, job.Full, TinyJob.Sequences(5, 80, 80));
        var traffic = new PruneTraffic(new CalibrationSet("calibration", [.. sequences[..4]]), new CalibrationSet("held-out", [.. sequences[4..]])) { General = given ? new CalibrationSet("given", [sequences[4]]) : null };
        var (first, told) = (new HealingTexts(context, full, traffic), new List<(int Done, int All)>());
        var recorded = first.Recorded((done, all) => told.Add((done, all)), CancellationToken.None);
        var general = first.General((done, all) => told.Add((done, all)), CancellationToken.None);
        Assert.Equal(sequences[..4], recorded.Sequences[..4]);
        if (given) Assert.Equal((320, 80), (recorded.TokenCount, general.TokenCount));
        else Assert.True(recorded.TokenCount >= 800 && general.TokenCount >= 800, $"{recorded.TokenCount} and {general.TokenCount}");
        Assert.Empty(recorded.Sequences[4..].Select(text => string.Join(' ', text.Tokens)).Intersect(general.Sequences.Select(text => string.Join(' ', text.Tokens))));
        Assert.Contains((0, 480), told);

        // Kept: what is asked for again, or by the process that goes on, is the same and is not written again.
        var again = new HealingTexts(context, full, traffic);
        Assert.Equal(recorded.Sequences.SelectMany(text => text.Tokens), again.Recorded((done, all) => Assert.Fail($"{done} of {all} are written again"), CancellationToken.None).Sequences.SelectMany(text => text.Tokens));
        Assert.Equal(general.Sequences.SelectMany(text => text.Tokens), again.General((done, all) => Assert.Fail($"{done} of {all} are written again"), CancellationToken.None).Sequences.SelectMany(text => text.Tokens));
    }
}
