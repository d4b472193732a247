using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Pruning.Texts;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

internal static class HealTrials
{
    /// <summary>
    /// trial MASKS@MB|"attn:3 ffn:7/slice0 …" TRAFFIC-TOKENS GENERAL-TOKENS VARIANT…, variants none, constant, lowrank:RANK or refit:RANK, with :PENALTIES:PRICE where
    /// wanted. HELDOUT and GENERAL in the environment: tokens of held-out traffic, pieces of this repository's docs.
    /// </summary>
    public static void Run(ILlamaModel model, string path, int threads, ImmutableArray<TokenSequence> traffic, string[] args)
    {
        var (tokens, generalTokens) = (int.Parse(args[3]), int.Parse(args[4]));
        var (calibration, heldOut) = ChatTraffic.Split(traffic, tokens, int.Parse(Environment.GetEnvironmentVariable("HELDOUT") ?? "1280"), 256);
        var fit = calibration.Sequences.ToList();
        if (generalTokens > 0)
        {
            var generated = ChatTraffic.Load(args[0] + ".general", () => GeneratedText.Make(model, 8000, 128, 1, threads, done => Console.Error.Write($"\rgenerated {done}"), default));
            fit.AddRange(generated.TakeWhile((_, index) => generated.Take(index).Sum(text => text.Tokens.Length) < generalTokens));
        }

        var general = General(model, path, int.Parse(Environment.GetEnvironmentVariable("GENERAL") ?? "6"));
        var masks = args[2].Split(' ');
        if (File.Exists(args[2].Split('@')[0]))
        {
            var want = double.Parse(args[2].Split('@')[1], CultureInfo.InvariantCulture) * 1e6;
            masks = File.ReadLines(args[2].Split('@')[0]).Select(line => line.Split('\t')).First(parts => double.Parse(parts[0], CultureInfo.InvariantCulture) >= want * 0.995)[2].Split(' ');
        }

        new HealTrial(model, path, threads).Run(new("fit", [.. fit]), heldOut, general, masks, [.. args.Skip(5)]);
    }

    /// <summary>Pieces of this repository's documentation: text unlike the traffic, and unlike what the model writes itself.</summary>
    public static CalibrationSet General(ILlamaModel model, string path, int pieces)
    {
        var docs = string.Join("\n\n", Directory.GetFiles(Path.Combine(Path.GetDirectoryName(path)!, "..", "docs"), "*.md").Order().Where(f => !f.EndsWith("results.md", StringComparison.Ordinal)).Select(File.ReadAllText));
        var words = model.Vocabulary.Tokenize(docs, true, false);
        return new CalibrationSet("general", [.. Enumerable.Range(0, pieces).Select(at => new TokenSequence($"d{at}", [.. words.AsSpan(at * 1500, 200)], 200))]);
    }
}
