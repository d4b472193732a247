using FinerCut.Runtime;

namespace FinerCut.Pruning.Proofs;

/// <summary>Tokens a second, the median of the rounds.</summary>
public sealed record Speed(double Prefill, double Decode);

/// <param name="Rounds">Measured rounds, after one that is not counted; odd.</param>
/// <param name="PrefillTokens">Tokens of the prompt, computed at once.</param>
/// <param name="DecodeTokens">Tokens after it, one at a time.</param>
public sealed record SpeedPlan(int Rounds = 5, int PrefillTokens = 256, int DecodeTokens = 24);

/// <summary>
/// Measures one model, or two side by side: their rounds take turns, so that whatever else the machine does meets both alike. One thread.
/// </summary>
public sealed class SpeedProbe(TimeProvider time, int threads, SpeedPlan plan)
{

    /// <param name="progress">Rounds done.</param>
    public (Speed Full, Speed Lean) Compare(ILlamaModel full, ILlamaModel lean, Action<int, int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(full);
        ArgumentNullException.ThrowIfNull(lean);
        ArgumentNullException.ThrowIfNull(progress);
        var tokens = Tokens(full);
        using var first = Open(full);
        using var second = Open(lean);
        List<Speed> ofFull = [], ofLean = [];
        Round(first, tokens, cancellationToken);
        Round(second, tokens, cancellationToken);
        for (var round = 0; round < plan.Rounds; round++)
        {
            ofFull.Add(Round(first, tokens, cancellationToken));
            ofLean.Add(Round(second, tokens, cancellationToken));
            progress(round + 1, plan.Rounds);
        }

        return (Median(ofFull), Median(ofLean));
    }

    /// <param name="progress">Rounds done.</param>
    public Speed Measure(ILlamaModel model, Action<int, int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(progress);
        var tokens = Tokens(model);
        using var session = Open(model);
        List<Speed> rounds = [];
        Round(session, tokens, cancellationToken);
        while (rounds.Count < plan.Rounds)
        {
            rounds.Add(Round(session, tokens, cancellationToken));
            progress(rounds.Count, plan.Rounds);
        }

        return Median(rounds);
    }

    private int[] Tokens(ILlamaModel model) => [.. Enumerable.Range(0, plan.PrefillTokens).Select(index => 17 + (index * 7919 % Math.Max(1, model.Info.VocabularySize - 17)))];

    private ILlamaSession Open(ILlamaModel model) => model.Open(new SessionOptions
    {
        ContextLength = (plan.PrefillTokens + plan.DecodeTokens + 255) / 256 * 256,
        BatchSize = plan.PrefillTokens,
        MicroBatchSize = plan.PrefillTokens,
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
        for (var step = 0; step < plan.DecodeTokens; step++)
        {
            batch.Clear();
            batch.Add(tokens[step % tokens.Length], tokens.Length + step, 0, logits: true);
            Decode(session, batch, cancellationToken);
        }

        return new Speed(prefill, plan.DecodeTokens / time.GetElapsedTime(began).TotalSeconds);
    }

    private static void Decode(ILlamaSession session, TokenBatch batch, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var status = session.Decode(batch);
        if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Measuring ended with {status}.");
        _ = session.Logits(batch.Count - 1);
    }

    private static Speed Median(List<Speed> rounds) => new(Median(rounds.Select(round => round.Prefill)), Median(rounds.Select(round => round.Decode)));

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
