using FinerCut.Gguf;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Texts;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Texts;

public class GeneratedTextTests
{
    private static readonly TinyModel Model = new() { Seed = 51, Weights = GgmlType.F32 };

    [Fact]
    public void Same_seed_same_text_and_as_much_as_was_asked_for()
    {
        using var bench = Workbench.Tiny(Model);
        var progress = new List<int>();
        var texts = GeneratedText.Make(bench.Model, 600, 32, 5, Workbench.Threads, progress.Add, CancellationToken.None);
        Assert.InRange(texts.Sum(text => text.Tokens.Length), 600, 631);
        Assert.All(texts, text => Assert.InRange(text.Tokens.Length, 1, 32));
        Assert.Equal(texts.Length, texts.Select(text => text.Id).Distinct().Count());
        Assert.Equal(600, progress[^1]);
        var again = GeneratedText.Make(bench.Model, 600, 32, 5, Workbench.Threads, _ => { }, CancellationToken.None);
        Assert.Equal(texts.SelectMany(text => text.Tokens), again.SelectMany(text => text.Tokens));
        var other = GeneratedText.Make(bench.Model, 600, 32, 6, Workbench.Threads, _ => { }, CancellationToken.None);
        Assert.NotEqual(texts.SelectMany(text => text.Tokens), other.SelectMany(text => text.Tokens));
    }

    [Fact]
    public void Kept_texts_are_read_again_by_their_fingerprint_only()
    {
        using var bench = Workbench.Tiny(Model);
        var folder = Directory.CreateTempSubdirectory("finercut-texts-");
        var path = Path.Combine(folder.FullName, "texts.json");
        var texts = GeneratedText.Make(bench.Model, 100, 32, 5, Workbench.Threads, _ => { }, CancellationToken.None);
        Assert.Null(KeptTexts.Read(path, "a"));
        KeptTexts.Write(path, "a", texts);
        Assert.Equal(texts.SelectMany(text => text.Tokens), KeptTexts.Read(path, "a")!.Value.SelectMany(text => text.Tokens));
        Assert.Null(KeptTexts.Read(path, "b"));
        folder.Delete(recursive: true);
    }

    /// <summary>A model against itself has no growth and whole continuations; against another one both show.</summary>
    [Fact]
    public void Generation_figures_tell_a_model_from_another()
    {
        using var bench = Workbench.Tiny(Model);
        using var other = Workbench.Tiny(Model with { Seed = 52 });
        var heldOut = bench.RandomTokens(1, 20, 24, 30);
        var same = GenerationProof.Run(bench.Model, bench.Model, heldOut, 3, Workbench.Threads, CancellationToken.None);
        Assert.All(same.General, text => Assert.Equal(0, text.Sum));
        Assert.Equal(3, same.CommonPrefixes.Length);
        Assert.All(same.CommonPrefixes, length => Assert.InRange(length, 1, GenerationProof.ContinuationTokens));
        var different = GenerationProof.Run(bench.Model, other.Model, heldOut, 3, Workbench.Threads, CancellationToken.None);
        Assert.True(different.General.Sum(text => text.Sum) > 0);
        Assert.True(different.CommonPrefixes.Sum() < same.CommonPrefixes.Sum());
    }
}
