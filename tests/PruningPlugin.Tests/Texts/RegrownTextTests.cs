using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Pruning.Texts;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Texts;

public class RegrownTextTests
{
    private static readonly TinyModel Model = new() { Seed = 53, Weights = GgmlType.F32 };

    [Fact]
    public void Conversations_keep_their_beginning_and_their_turn_and_get_answers_of_their_own()
    {
        using var bench = Workbench.Tiny(Model);
        var ends = Enumerable.Range(0, bench.Model.Info.VocabularySize).First(bench.Model.Vocabulary.IsEndOfGeneration);

        // System, end, role, question of six, end, role, answer.
        TokenSequence recorded = new("r", [10, 11, ends, 20, 30, 31, 32, 33, 34, 35, ends, 21, 40, 41, 42], 12);
        var set = new CalibrationSet("recorded", [recorded]);
        var texts = RegrownText.Make(bench.Model, set, 500, 48, 7, Workbench.Threads, _ => { }, CancellationToken.None);
        Assert.InRange(texts.Sum(text => text.Tokens.Length), 500, 547);
        Assert.All(texts, text =>
        {
            Assert.InRange(text.Tokens.Length, 8, 48);
            Assert.Equal([10, 11, ends, 20], text.Tokens[..4]);
            Assert.Equal([ends, 21], text.Tokens[(text.AnswerStart - 2)..text.AnswerStart]);
        });
        Assert.True(texts.Select(text => string.Join(' ', text.Tokens)).Distinct().Count() > texts.Length / 2);
        var again = RegrownText.Make(bench.Model, set, 500, 48, 7, Workbench.Threads, _ => { }, CancellationToken.None);
        Assert.Equal(texts.SelectMany(text => text.Tokens), again.SelectMany(text => text.Tokens));
    }

    [Fact]
    public void Texts_without_a_question_are_left_alone()
    {
        using var bench = Workbench.Tiny(Model);
        Assert.Empty(RegrownText.Make(bench.Model, new CalibrationSet("plain", [new TokenSequence("p", [5, 6, 7, 8, 9], 2)]), 100, 48, 7, Workbench.Threads, _ => { }, CancellationToken.None));
    }
}
