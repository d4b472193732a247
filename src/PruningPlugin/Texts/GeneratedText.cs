using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Texts;

/// <summary>
/// Text that a model makes itself from short openings, drawn at temperature 1: it is spread over what the model knows, and nothing outside is
/// needed. Same model, seed and number of tokens, same text. Runs on the calling thread.
/// </summary>
public static class GeneratedText
{
    /// <summary>Sequences decoded together; part of what makes the text the same.</summary>
    private const int Together = 16;

    /// <summary>Sequences named generated:0, generated:1 …, together of about <paramref name="tokens"/> tokens.</summary>
    /// <param name="length">Tokens of each at most, opening included; a text that ends earlier is as long as it is.</param>
    /// <param name="progress">Tokens made.</param>
    public static ImmutableArray<TokenSequence> Make(
        ILlamaModel model, int tokens, int length, int seed, int threads, Action<int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(progress);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 16);
        var order = new Random(seed).GetItems(TextOpenings.All.AsSpan(), ((tokens / length) + 1) * 2);
        var made = ImmutableArray.CreateBuilder<TokenSequence>();
        var count = 0;
        for (var start = 0; count < tokens; start += Together)
        {
            var texts = Enumerable.Range(start, Together).Select(number => Opening(model, order[number % order.Length], length / 2)).ToArray();
            var first = (uint)((seed * 1_000_003L) + start);
            TextContinuation.Run(model, texts, text => length - text.Count, number => new SamplerOptions { Seed = first + (uint)number }, threads, cancellationToken);
            foreach (var text in texts)
            {
                if (count >= tokens) break;
                made.Add(new TokenSequence($"generated:{made.Count}", [.. text], text.Count));
                count += text.Count;
            }

            progress(Math.Min(count, tokens));
        }

        return made.ToImmutable();
    }

    private static List<int> Opening(ILlamaModel model, string opening, int most)
    {
        // Models that are taught a first token see it; the others begin with the text.
        var tokens = model.Vocabulary.Tokenize(opening, addSpecial: true, parseSpecial: false);
        return [.. tokens.Length == 0 ? [Math.Max(0, model.Vocabulary.Special.Bos)] : tokens.Take(most)];
    }
}
