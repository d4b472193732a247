using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Texts;

/// <summary>
/// Conversations like recorded ones that a model makes up: each begins as a recorded one does, breaks off somewhere in the last question, which the
/// model ends at temperature 1 and then answers at 0.7, as most clients ask it to. So few recorded conversations become many different ones of their kind (as Magpie, arXiv 2406.08464,
/// lets a model ask itself). Same model, conversations and seed, same text. Runs on the calling thread.
/// </summary>
public static class RegrownText
{
    /// <summary>Sequences decoded together; part of what makes the text the same.</summary>
    private const int Together = 16;

    private const float AnswerTemperature = 0.7f;

    /// <summary>Tokens of a question at most that the model adds.</summary>
    private const int MostAsked = 48;

    /// <summary>Sequences named regrown:0, regrown:1 …, together of about <paramref name="tokens"/> tokens; none where no conversation has a question that ends before its answer.</summary>
    /// <param name="length">Tokens of each at most.</param>
    /// <param name="progress">Tokens made.</param>
    public static ImmutableArray<TokenSequence> Make(
        ILlamaModel model, CalibrationSet recorded, int tokens, int length, int seed, int threads, Action<int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(recorded);
        ArgumentNullException.ThrowIfNull(progress);
        var seeds = recorded.Sequences.Select(sequence => Seed.Of(sequence, model.Vocabulary.IsEndOfGeneration)).OfType<Seed>().Where(each => each.QuestionEnd + each.Turn.Length < length - 16).ToArray();
        if (seeds.Length == 0) return [];
        var random = new Random(seed);
        var made = ImmutableArray.CreateBuilder<TokenSequence>();
        var count = 0;
        for (var start = 0; count < tokens; start += Together)
        {
            var chosen = random.GetItems(seeds, Together);
            List<int>[] texts = [.. chosen.Select(each => each.Sequence.Tokens[..random.Next(each.QuestionStart + 1, each.QuestionEnd + 1)].ToList())];
            var first = (uint)((seed * 1_000_003L) + start);
            TextContinuation.Run(model, texts, text => Math.Max(1, Math.Min(MostAsked, length - 16 - text.Count - MostAsked)), number => new SamplerOptions { Seed = first + (uint)number }, threads, cancellationToken);
            for (var at = 0; at < Together; at++) texts[at].AddRange(chosen[at].Turn);
            int[] answers = [.. texts.Select(text => text.Count)];
            TextContinuation.Run(model, texts, text => Math.Max(1, length - text.Count), number => new SamplerOptions { Temperature = AnswerTemperature, Seed = unchecked(first + (uint)number + 0x80000000) }, threads, cancellationToken);
            for (var at = 0; at < Together && count < tokens; at++)
            {
                made.Add(new TokenSequence($"regrown:{made.Count}", [.. texts[at]], answers[at]));
                count += texts[at].Count;
            }

            progress(Math.Min(count, tokens));
        }

        return made.ToImmutable();
    }

    /// <summary>A recorded conversation and where its last question lies.</summary>
    /// <param name="Turn">Tokens between question and answer.</param>
    private sealed record Seed(TokenSequence Sequence, int QuestionStart, int QuestionEnd, ImmutableArray<int> Turn)
    {
        public static Seed? Of(TokenSequence sequence, Func<int, bool> ends)
        {
            var end = sequence.AnswerStart - 1;
            while (end > 0 && !ends(sequence.Tokens[end])) end--;
            var start = end - 1;
            while (start >= 0 && !ends(sequence.Tokens[start])) start--;

            // The turn's own words (a role, a line's end) are as long as those before the answer.
            var turn = sequence.AnswerStart - end;
            start = Math.Max(0, start) + turn;
            return end > 0 && start < end ? new Seed(sequence, start, end, sequence.Tokens[end..sequence.AnswerStart]) : null;
        }
    }
}
