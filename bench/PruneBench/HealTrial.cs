using System.Collections.Immutable;
using System.Diagnostics;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>Healing variants on one mask, compared on held-out traffic and general text in their simulation.</summary>
internal sealed class HealTrial(ILlamaModel model, string path, int threads)
{
    public void Run(CalibrationSet fit, CalibrationSet heldOut, CalibrationSet general, string[] maskNames, IReadOnlyList<string> variants)
    {
        using var file = GgufShards.Open(path);
        var shape = ModelShapeReader.Read(file.Model);
        var units = FileUnits.Fine(file.Model, shape, 4);
        var mask = Parse(units, maskNames);
        Console.WriteLine($"{FileUnits.Costs(file.Model, units).Bytes(mask) / 1e6:F2} MB gone; fitted on {fit.TokenCount} tokens; judged on {heldOut.TokenCount} of traffic, {general.TokenCount} of general text");
        var options = new ScoringOptions(threads);
        var judged = new CalibrationSet("judged", [.. heldOut.Sequences, .. general.Sequences]);
        var reference = new float[judged.TokenCount][];
        var (at, clock) = (0, Stopwatch.StartNew());
        HealedSimulation.Run(model, file, CutMask.None(units), HealedModel.None, judged, options, (_, decoder) =>
        {
            var start = at;
            at += decoder.Rows().Count;
            decoder.ForEachRow(threads, (row, logits, _) => reference[start + row] = logits.ToArray());
        }, default);
        foreach (var variant in variants)
        {
            clock.Restart();
            var healed = variant == "none" ? HealedModel.None : new Healer(model, file, mask, OptionsOf(variant)).Heal(fit, null, (done, all) => Console.Error.Write($"\r{variant} {done} of {all}, {clock.Elapsed.TotalSeconds:F0} s "), default);
            var seconds = clock.Elapsed.TotalSeconds;
            if (Environment.GetEnvironmentVariable("TRACE") is not null) Console.WriteLine(string.Join(' ', healed.Projections.Select(p => $"{p.Sublayer}={p.Left:F2}@{p.Penalty:G1}").Concat(healed.Sites.Select(p => $"{p.Sublayer}#{p.Rank}={p.Left:F2}"))));
            Judge(variant, file, mask, healed, judged, heldOut.Sequences.Length, reference, options);
            Console.WriteLine($"    {seconds:F0} s, {healed.Bytes / 1e6:F2} MB");
        }
    }

    private void Judge(string name, GgufShards file, CutMask mask, HealedModel healed, CalibrationSet judged, int traffic, float[][] reference, ScoringOptions options)
    {
        var batches = TokenBatches.Pack(judged, options.BatchTokens(model.Info.VocabularySize));
        var (start, sums) = (0, new double[2, 5]);
        HealedSimulation.Run(model, file, mask, healed, judged, options, (batch, decoder) =>
        {
            var sequences = batches.Batches[batch].Sequences;
            var next = sequences.SelectMany(s => s.Sequence.Tokens.Skip(1).Append(-1)).ToArray();
            var kind = sequences.SelectMany(s => Enumerable.Repeat(s.Index < traffic ? 0 : 1, s.Sequence.Tokens.Length)).ToArray();
            var figures = new (double Kl, double Top, double Nll, double Full)[next.Length];
            var first = start;
            decoder.ForEachRow(threads, (row, logits, _) =>
            {
                var full = reference[first + row];
                var (a, b) = (LogitDistance.LogSumExp(full), LogitDistance.LogSumExp(logits));
                figures[row] = (LogitDistance.Between(DistanceKind.KullbackLeibler, full, a, logits), TensorPrimitives.IndexOfMax<float>(full) == TensorPrimitives.IndexOfMax(logits) ? 1 : 0,
                    next[row] < 0 ? 0 : b - logits[next[row]], next[row] < 0 ? 0 : a - full[next[row]]);
            });
            start += next.Length;
            for (var row = 0; row < next.Length; row++)
            {
                sums[kind[row], 0]++;
                sums[kind[row], 1] += figures[row].Kl;
                sums[kind[row], 2] += figures[row].Top;
                sums[kind[row], 3] += figures[row].Nll;
                sums[kind[row], 4] += figures[row].Full;
            }
        }, default);
        string Part(int kind) => sums[kind, 0] == 0 ? "-" : FormattableString.Invariant(
            $"KL {sums[kind, 1] / sums[kind, 0]:F4} top-1 {sums[kind, 2] / sums[kind, 0]:P1} NLL {sums[kind, 3] / sums[kind, 0]:F3} (full {sums[kind, 4] / sums[kind, 0]:F3})");
        Console.WriteLine($"{name,-16} traffic {Part(0)} | general {Part(1)}");
    }

    private HealingOptions OptionsOf(string variant)
    {
        // kind:rank:penalties:price
        var parts = variant.Split(':');
        var kind = parts[0] switch { "constant" => ProjectionHealing.Biases, "refit" => ProjectionHealing.Weights, _ => ProjectionHealing.None };
        var options = new HealingOptions(kind, parts.Length > 1 ? int.Parse(parts[1]) : 0, true, threads);
        if (parts.Length > 2) options = options with { Penalties = [.. parts[2].Split(',').Select(Number)] };
        return parts.Length > 3 ? options with { Price = Number(parts[3]) } : options;
    }

    private static double Number(string text) => double.Parse(text, System.Globalization.CultureInfo.InvariantCulture);

    public static CutMask Parse(UnitMap units, string[] names)
    {
        var mask = CutMask.None(units);
        foreach (var name in names)
        {
            var parts = name.Split('/');
            if (!Sublayer.TryParse(parts[0], out var sublayer)) throw new ArgumentException(name);
            mask = parts.Length == 1 ? mask.With(sublayer) : mask.With(new Unit(sublayer, int.Parse(parts[1].TrimStart("kvslice".ToCharArray()))));
        }

        return mask;
    }
}
