using FinerCut.Calibration;
using FinerCut.Pruning.Elimination;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Tests.Elimination;

public class SurgeonTextsTests
{
    [Fact]
    public void Moments_see_as_much_general_text_as_traffic_and_sensitivities_half_of_each()
    {
        var (traffic, general) = (Set("traffic", 20, 50), Set("general", 100, 40));
        var texts = SurgeonTexts.Of(traffic, general);
        Assert.Equal((1000, 1000), (Count(texts.Moments, "traffic"), Count(texts.Moments, "general")));
        Assert.InRange(texts.Scored.TokenCount, 950, traffic.TokenCount);
        Assert.InRange(Count(texts.Scored, "traffic"), 450, 500);

    }

    /// <summary>A share of the tokens is the first of the batches that they are packed into.</summary>
    [Fact]
    public void A_quarter_of_the_batches_has_both_texts()
    {
        var random = new Random(11);
        var texts = SurgeonTexts.Of(Set("traffic", 40, _ => random.Next(20, 120)), Set("general", 60, _ => random.Next(16, 128)));
        var batches = TokenBatches.Pack(texts.Scored, 128).Batches;
        var first = batches[..(batches.Length / 4)].SelectMany(batch => batch.Sequences).Select(packed => packed.Sequence).ToArray();
        Assert.InRange(first.Where(sequence => sequence.Id.StartsWith("traffic", StringComparison.Ordinal)).Sum(sequence => sequence.Tokens.Length) / (double)first.Sum(sequence => sequence.Tokens.Length), 0.35, 0.65);
    }

    [Fact]
    public void Where_there_is_little_general_text_all_of_it_is_seen()
    {
        var texts = SurgeonTexts.Of(Set("traffic", 20, 50), Set("general", 2, 40));
        Assert.Equal((1000, 80), (Count(texts.Moments, "traffic"), Count(texts.Moments, "general")));
        Assert.InRange(texts.Scored.TokenCount, 950, 1000);
    }

    private static int Count(CalibrationSet set, string name) => set.Sequences.Where(sequence => sequence.Id.StartsWith(name, StringComparison.Ordinal)).Sum(sequence => sequence.Tokens.Length);

    private static CalibrationSet Set(string name, int sequences, int length) => Set(name, sequences, _ => length);

    private static CalibrationSet Set(string name, int sequences, Func<int, int> length) =>
        new(name, [.. Enumerable.Range(0, sequences).Select(index => new TokenSequence($"{name} {index}", [.. Enumerable.Range(0, length(index))], 1))]);
}
