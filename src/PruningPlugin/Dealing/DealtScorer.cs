using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Dealing;

/// <summary>
/// Scores masks on several machines at once. Each sum comes from one machine, and sums are added in the order of the batches, so the scores are
/// one machine's to the last bit, whoever scored what. One caller at a time.
/// </summary>
public sealed class DealtScorer : IMaskScorer
{
    private static readonly TimeSpan Bench = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<IBatchScorer> _scorers;
    private readonly ImmutableArray<int> _rows;
    private readonly TimeProvider _time;
    private readonly long[] _benchedUntil;
    private IReadOnlyList<int>? _homes;
    private CutMask _announced;

    /// <param name="units">The model's units.</param>
    /// <param name="rows">Tokens of each batch.</param>
    /// <param name="scorers">One a machine; at least one.</param>
    /// <param name="time">For pauses of machines that failed.</param>
    public DealtScorer(UnitMap units, ImmutableArray<int> rows, IReadOnlyList<IBatchScorer> scorers, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(scorers);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfZero(scorers.Count);
        (Units, _rows, _scorers, _time) = (units, rows, scorers, time);
        _benchedUntil = new long[scorers.Count];
        _announced = CutMask.None(units);
    }

    public UnitMap Units { get; }

    public int Width => int.MaxValue;

    /// <summary>Each machine is told with its next share: only batches that it scores are worth their states.</summary>
    public void Rebase(CutMask mask, CancellationToken cancellationToken) => _announced = mask;

    public IReadOnlyList<double> Score(IReadOnlyList<CutMask> masks, double share, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(masks);
        if (share is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(share), share, "Expected a share in (0, 1].");
        var batches = (int)Math.Ceiling(share * _rows.Length);
        // Up to the first batch with tokens that count, as one machine does.
        while (batches < _rows.Length && _rows.Take(batches).All(rows => rows == 0)) batches++;
        return masks.Count == 0 ? [] : ScoreAsync(masks, batches, cancellationToken).GetAwaiter().GetResult();
    }

    private async Task<IReadOnlyList<double>> ScoreAsync(IReadOnlyList<CutMask> masks, int batches, CancellationToken cancellationToken)
    {
        // Whoever cuts early computes most: those first, so that what is left at the end is short.
        int[] order = [.. Enumerable.Range(0, masks.Count).OrderBy(index => FirstCut(masks[index]))];
        var deal = new Deal(masks.Count, batches, _scorers.Count, _homes is null ? null : [.. _homes.Select(home => home < batches ? home : -1)]);
        var sums = new double[masks.Count, batches];
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = new Dictionary<Task<IReadOnlyList<double>>, DealShare>();
        for (var scorer = 0; scorer < _scorers.Count; scorer++) Hand(scorer);
        Exception? last = null;
        while (!deal.IsDone)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (running.Count == 0) throw last ?? new BatchScorerException("No machine scores.");
            var ended = await Task.WhenAny(running.Keys).ConfigureAwait(false);
            running.Remove(ended, out var share);
            try
            {
                var found = await ended.ConfigureAwait(false);
                foreach (var mask in deal.Done(share!)) sums[order[mask], share!.Batch] = found[Array.IndexOf([.. share.Masks], mask)];
            }
            catch (BatchScorerException exception)
            {
                last = exception;
                deal.Failed(share!);
                _benchedUntil[share!.Scorer] = _time.GetTimestamp() + (long)(Bench.TotalSeconds * _time.TimestampFrequency);
            }

            // Everybody without a share: what failed here may be theirs now.
            for (var scorer = 0; scorer < _scorers.Count; scorer++)
            {
                if (running.Values.All(other => other.Scorer != scorer)) Hand(scorer);
            }
        }

        _homes = deal.Homes;
        // Who is still at work is at what somebody else has done.
        await enough.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(running.Keys).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).ConfigureAwait(false);
        return [.. Enumerable.Range(0, masks.Count).Select(Mean)];

        double Mean(int mask)
        {
            var (sum, rows) = (0.0, 0);
            for (var batch = 0; batch < batches; batch++) (sum, rows) = (sum + sums[mask, batch], rows + _rows[batch]);
            return sum / rows;
        }

        void Hand(int scorer)
        {
            if (!_scorers[scorer].IsReady || _time.GetTimestamp() < _benchedUntil[scorer]) return;
            deal.Welcome(scorer);
            if (deal.Take(scorer) is not { } share) return;
            running[RunAsync(scorer, [.. share.Masks.Select(mask => masks[order[mask]])], share.Batch, enough.Token)] = share;
        }
    }

    private Task<IReadOnlyList<double>> RunAsync(int scorer, CutMask[] masks, int batch, CancellationToken cancellationToken) =>
        Task.Run(() => _scorers[scorer].SumsAsync(_announced, masks, batch, cancellationToken), CancellationToken.None);

    /// <summary>Order of the first sublayer that this mask cuts and the announced one does not.</summary>
    private int FirstCut(CutMask mask)
    {
        foreach (var unit in mask.Removed())
        {
            if (!_announced.Contains(unit)) return Units.UnitAt(unit).Sublayer.Order;
        }

        return int.MaxValue;
    }
}
