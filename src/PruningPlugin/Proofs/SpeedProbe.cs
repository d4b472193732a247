using FinerCut.Runtime;

namespace FinerCut.Pruning.Proofs;

/// <summary>Tokens a second, the median of the rounds.</summary>
public sealed record Speed(double Prefill, double Decode);

/// <summary>
/// Measures two models side by side: their rounds take turns, so that whatever else the machine does meets both alike. One thread.
/// </summary>
internal sealed class SpeedProbe(TimeProvider time, int threads)
{
    public const int Rounds = 5;
    public const int PrefillTokens = 256;
    public const int DecodeTokens = 24;

    /// <param name="progress">Rounds done.</param>
    public (Speed Full, Speed Lean) Compare(ILlamaModel full, ILlamaModel lean, Action<int, int> progress, CancellationToken cancellationToken)
    {
        var tokens = Enumerable.Range(0, PrefillTokens).Select(index => 17 + (index * 7919 % Math.Max(1, full.Info.VocabularySize - 17))).ToArray();
        using var first = Open(full);
        using var second = Open(lean);
        List<Speed> ofFull = [], ofLean = [];
        Round(first, tokens, cancellationToken);
        Round(second, tokens, cancellationToken);
        for (var round = 0; round < Rounds; round++)
        {
            ofFull.Add(Round(first, tokens, cancellationToken));
            ofLean.Add(Round(second, tokens, cancellationToken));
            progress(round + 1, Rounds);
        }

        return (Median(ofFull), Median(ofLean));
    }

    private ILlamaSession Open(ILlamaModel model) => model.Open(new SessionOptions
    {
        ContextLength = (PrefillTokens + DecodeTokens + 255) / 256 * 256,
        BatchSize = PrefillTokens,
        MicroBatchSize = PrefillTokens,
        Threads = threads,
        BatchThreads = threads,
    });

    private Speed Round(ILlamaSession session, int[] tokens, CancellationToken cancellationToken)
    {
        var batch = new TokenBatch(tokens.Length);
        session.Memory.Clear();
        for (var position = 0; position < tokens.Length; position++) batch.Add(tokens[position], position, 0, logits: position == tokens.Length - 1);
        var began = time.GetTimestamp();
        Decode(session, batch, cancellationToken);
        var prefill = tokens.Length / time.GetElapsedTime(began).TotalSeconds;
        began = time.GetTimestamp();
        for (var step = 0; step < DecodeTokens; step++)
        {
            batch.Clear();
            batch.Add(tokens[step], tokens.Length + step, 0, logits: true);
            Decode(session, batch, cancellationToken);
        }

        return new Speed(prefill, DecodeTokens / time.GetElapsedTime(began).TotalSeconds);
    }

    private static void Decode(ILlamaSession session, TokenBatch batch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var status = session.Decode(batch);
        if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Measuring ended with {status}.");
        _ = session.Logits(batch.Count - 1);
    }

    private static Speed Median(List<Speed> rounds) => new(Median(rounds.Select(round => round.Prefill)), Median(rounds.Select(round => round.Decode)));

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(Rounds / 2);
}
