using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.TestModels;

namespace FinerCut.Pruning.Tests.Healing;

/// <summary>Tiny models healed, written and compared.</summary>
internal static class HealedFiles
{
    public static CalibrationSet TextsFor(Workbench bench) => bench.RandomTokens(5, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100);

    public static CutMask MaskOf(Workbench bench, params string[] removed)
    {
        var units = FileUnits.Fine(bench.File.Model, bench.Shape, 3);
        var mask = CutMask.None(units);
        foreach (var name in removed)
        {
            var all = Enumerable.Range(0, units.Count).Select(units.UnitAt).Where(unit => unit.ToString() == name || unit.Sublayer.ToString() == name).ToArray();
            Assert.NotEmpty(all);
            foreach (var unit in all) mask = mask.With(unit);
        }

        return mask;
    }

    public static HealedModel Heal(Workbench bench, CutMask mask, CalibrationSet set, HealingOptions options, HealingJournal? journal = null) =>
        new Healer(bench.Model, GgufShards.Of(bench.File), mask, options).Heal(set, journal, (_, _) => { }, CancellationToken.None);

    public static string Write(Workbench bench, CutMask mask, HealedModel healed, string folder)
    {
        var path = Path.Combine(folder, $"{Guid.NewGuid()}.gguf");
        GgufWriter.Write(Rewriters.For(bench.Shape.Architecture).Plan(bench.File, mask, new Provenance(new string('0', 64), [], [], "test"), healed), path);
        return path;
    }

    public static float[][] Logits(Workbench bench, CutMask mask, HealedModel healed, CalibrationSet set)
    {
        var rows = new List<float[]>();
        var options = new ScoringOptions(Workbench.Threads, BatchLogitBytes: 128L * sizeof(float) * bench.Model.Info.VocabularySize);
        HealedSimulation.Run(bench.Model, GgufShards.Of(bench.File), mask, healed, set, options, (_, decoder) =>
        {
            for (var row = 0; row < decoder.Rows().Count; row++) rows.Add(decoder.Logits(row).ToArray());
        }, CancellationToken.None);
        return [.. rows];
    }

    public static double Kl(Workbench bench, CutMask mask, HealedModel healed, CalibrationSet set) =>
        MeanKl(Logits(bench, CutMask.None(mask.Units), HealedModel.None, set), Logits(bench, mask, healed, set));

    public static double MeanKl(float[][] full, float[][] lean) =>
        full.Zip(lean, (p, q) => LogitDistance.Between(DistanceKind.KullbackLeibler, p, LogitDistance.LogSumExp(p), q)).Average();

    /// <summary>
    /// Makes an attention a linear function of its normed input, whatever the text: queries are their group's keys, so long that each token sees itself alone. Without biases there is no constant.
    /// </summary>
    public static void PlantLinear(GgufEdit edit, int block, TinyModel model)
    {
        var random = new Random(77);
        var (width, head) = (model.Embedding, model.ActualHeadSize);
        float[][] keys = [.. Enumerable.Range(0, model.KvHeads).Select(_ => Enumerable.Range(0, head * width).Select(_ => 4 * (float)(random.NextDouble() - 0.5)).ToArray())];
        float[] queries = [.. Enumerable.Range(0, model.Heads).SelectMany(at => keys[at * model.KvHeads / model.Heads])];
        edit.Replace($"blk.{block}.attn_k.weight", GgufTensorPlan.Floats($"blk.{block}.attn_k.weight", [width, model.KvHeads * head], [.. keys.SelectMany(key => key)]));
        edit.Replace($"blk.{block}.attn_q.weight", GgufTensorPlan.Floats($"blk.{block}.attn_q.weight", [width, model.Heads * head], queries));
    }
}
