using System.Collections.Immutable;
using System.Diagnostics;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
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
        var judge = new HealedJudge(model, file, heldOut, general, options);
        var clock = new Stopwatch();
        foreach (var variant in variants)
        {
            clock.Restart();
            var healed = variant == "none" ? HealedModel.None : new Healer(model, file, mask, OptionsOf(variant)).Heal(fit, null, (done, all) => Console.Error.Write($"\r{variant} {done} of {all}, {clock.Elapsed.TotalSeconds:F0} s "), default);
            var seconds = clock.Elapsed.TotalSeconds;
            if (Environment.GetEnvironmentVariable("TRACE") is not null) Console.WriteLine(string.Join(' ', healed.Projections.Select(p => $"{p.Sublayer}={p.Left:F2}@{p.Penalty:G1}").Concat(healed.Sites.Select(p => $"{p.Sublayer}#{p.Rank}={p.Left:F2}"))));
            Console.WriteLine($"{variant,-16} {judge.Of(mask, healed)}");
            Console.WriteLine($"    {seconds:F0} s, {healed.Bytes / 1e6:F2} MB");
        }
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
