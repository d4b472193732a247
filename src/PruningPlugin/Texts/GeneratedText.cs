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
        using var session = model.Open(new SessionOptions
        {
            ContextLength = ((Together * length) + 255) / 256 * 256, BatchSize = Together * length, MicroBatchSize = 256, MaxSequences = Together, MaxOutputs = Together, Threads = threads, BatchThreads = threads,
            Abort = () => cancellationToken.IsCancellationRequested,
        });
        var order = new Random(seed).GetItems(TextOpenings.All.AsSpan(), ((tokens / length) + 1) * 2);
        var made = ImmutableArray.CreateBuilder<TokenSequence>();
        var count = 0;
        for (var start = 0; count < tokens; start += Together)
        {
            var texts = Enumerable.Range(start, Together).Select(number => Opening(model, order[number % order.Length], length / 2)).ToArray();
            Continue(model, session, texts, length, (uint)((seed * 1_000_003L) + start), cancellationToken);
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

    private static void Continue(ILlamaModel model, ILlamaSession session, List<int>[] texts, int length, uint seed, CancellationToken cancellationToken)
    {
        session.Memory.Clear();
        var batch = new TokenBatch(texts.Length * length);
        var row = new int[texts.Length];
        for (var sequence = 0; sequence < texts.Length; sequence++)
        {
            for (var position = 0; position < texts[sequence].Count; position++) row[sequence] = batch.Add(texts[sequence][position], position, sequence, position == texts[sequence].Count - 1);
        }

        ISampler[] samplers = [.. texts.Select((_, sequence) => session.CreateSampler(new SamplerOptions { Seed = seed + (uint)sequence }))];
        try
        {
            var open = Enumerable.Range(0, texts.Length).ToList();
            while (open.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var status = session.Decode(batch);
                cancellationToken.ThrowIfCancellationRequested();
                if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Generating {open.Count} texts ended with {status}.");
                int[] sampled = [.. open.Select(sequence => samplers[sequence].Sample(row[sequence]))];
                batch.Clear();
                foreach (var (sequence, token) in open.ToArray().Zip(sampled))
                {
                    if (model.Vocabulary.IsEndOfGeneration(token) || texts[sequence].Count + 1 >= length) open.Remove(sequence);
                    if (model.Vocabulary.IsEndOfGeneration(token)) continue;
                    texts[sequence].Add(token);
                    if (texts[sequence].Count < length) row[sequence] = batch.Add(token, texts[sequence].Count - 1, sequence, true);
                }
            }
        }
        finally
        {
            foreach (var sampler in samplers) sampler.Dispose();
        }
    }
}
