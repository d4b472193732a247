using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Elimination;

namespace FinerCut.Pruning.Tests.Elimination;

public class SurgeonTextsTests
{
    [Fact]
    public void Moments_see_as_much_general_text_as_traffic_and_sensitivities_half_of_each()
    {
        var (traffic, general) = (Set("traffic", 20, 50), Set("general", 100, 40));
        var texts = SurgeonTexts.Of(traffic, general, DistanceTokens.All);
        Assert.Equal((1000, 1000), (Count(texts.Moments, "traffic"), Count(texts.Moments, "general")));
        Assert.InRange(texts.Scored.TokenCount, 950, traffic.TokenCount);
        Assert.InRange(Count(texts.Scored, "traffic"), 450, 500);

        // A share of the tokens is taken from the beginning.
        var first = texts.Scored with { Sequences = texts.Scored.Sequences[..(texts.Scored.Sequences.Length / 4)] };
        Assert.InRange(Count(first, "traffic") / (double)first.TokenCount, 0.4, 0.6);
    }

    [Fact]
    public void General_text_has_no_place_where_only_answers_count()
    {
        var traffic = Set("traffic", 5, 50);
        var texts = SurgeonTexts.Of(traffic, Set("general", 10, 40), DistanceTokens.Answers);
        Assert.Same(traffic, texts.Moments);
        Assert.Same(traffic, texts.Scored);
    }

    [Fact]
    public void Where_there_is_little_general_text_all_of_it_is_seen()
    {
        var texts = SurgeonTexts.Of(Set("traffic", 20, 50), Set("general", 2, 40), DistanceTokens.All);
        Assert.Equal((1000, 80), (Count(texts.Moments, "traffic"), Count(texts.Moments, "general")));
        Assert.InRange(texts.Scored.TokenCount, 950, 1000);
    }

    private static int Count(CalibrationSet set, string name) => set.Sequences.Where(sequence => sequence.Id.StartsWith(name, StringComparison.Ordinal)).Sum(sequence => sequence.Tokens.Length);

    private static CalibrationSet Set(string name, int sequences, int length) =>
        new(name, [.. Enumerable.Range(0, sequences).Select(index => new TokenSequence($"{name} {index}", [.. Enumerable.Range(0, length)], length / 2))]);
}
