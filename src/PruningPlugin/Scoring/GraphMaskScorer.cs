using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Searches;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>Memory and threads that scoring may take.</summary>
/// <param name="LogitBytes">Reference logits: in single precision up to this, in half where only that fits, else only the most likely tokens.</param>
/// <param name="StateBytes">Residual states of the current mask.</param>
/// <param name="BatchLogitBytes">The native logits of one decode: bounds its tokens.</param>
public sealed record ScoringOptions(int Threads, long LogitBytes = 1L << 30, long StateBytes = 1L << 30, long BatchLogitBytes = 128L << 20)
{
    /// <summary>Positions that a distance is the mean of.</summary>
    public DistanceTokens Tokens { get; init; } = DistanceTokens.All;

    /// <summary>Most likely tokens kept of a position where its row is not kept whole.</summary>
    public int TopK { get; init; } = PruneRequest.DefaultTopK;

    /// <summary>More gains no speed on a CPU, and shares of the tokens are counted in batches.</summary>
    public const int MostBatchTokens = 128;

    /// <summary>A GPU is not yet full at a hundred. Searches count shares of the tokens in decodes: of 2,560 there should be ten.</summary>
    public const int MostGpuBatchTokens = 256;

    public int BatchTokens(LlamaModelInfo model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return BatchTokens(model.VocabularySize, model.IsOnGpu);
    }

    /// <summary>Tokens of one decode, of one mask (docs/adr/0012).</summary>
    public int BatchTokens(int vocabulary, bool gpu) => (int)Math.Clamp(BatchLogitBytes / (sizeof(float) * (long)vocabulary), 32, gpu ? MostGpuBatchTokens : MostBatchTokens);
}

/// <summary>
/// Scores masks on one loaded model by the evaluation callback: sublayers that are gone are not computed, and what lies before the first
/// difference to the announced mask is taken from its kept residual states (same bits, about half the work). One thread at a time.
/// </summary>
public sealed class GraphMaskScorer : IMaskScorer, IDisposable
{
    /// <summary>Masks whose sums are remembered; some hundred bytes each.</summary>
    private const int KnownMasks = 4096;

    private readonly MaskedModel _model;
    private readonly TokenBatches _batches;
    private readonly ResidualStates _states;
    private readonly IReferenceRows _reference;
    private readonly ScoredRows _scored;
    private readonly ScoringOptions _options;
    private readonly Dictionary<CutMask, List<double>> _sums = [];
    private CutMask _base;

    private GraphMaskScorer(MaskedModel model, UnitMap units, TokenBatches batches, DistanceKind distance, ScoringOptions options)
    {
        _model = model;
        _batches = batches;
        _options = options;
        _states = new ResidualStates(units.Shape, [.. batches.Batches.Select(batch => batch.Tokens)], options.StateBytes);
        _scored = ScoredRows.Of(batches, options.Tokens);
        _reference = ReferenceRows.For(distance, _scored.Count, model.Decoder.Vocabulary, options.LogitBytes, options.TopK);
        _base = CutMask.None(units);
        Units = units;
    }

    public UnitMap Units { get; }

    /// <summary>Whether only the most likely tokens of each position are kept.</summary>
    public bool IsReferenceCompact => _reference is TopKReference;

    /// <summary>Bytes of reference logits and residual states.</summary>
    public long Bytes => _reference.Bytes + _states.Bytes;

    /// <summary>Runs the full model once over the set: reference logits and residual states.</summary>
    /// <param name="progress">Batches done.</param>
    public static GraphMaskScorer Create(
        ILlamaModel model, UnitMap units, CalibrationSet set, DistanceKind distance, ScoringOptions options, Action<int, int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(options);
        var batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        var scorer = new GraphMaskScorer(new MaskedModel(model, units.Shape, batches.Capacity, options.Threads), units, batches, distance, options);
        try
        {
            scorer.MakeReference(progress, cancellationToken);
            return scorer;
        }
        catch
        {
            scorer.Dispose();
            throw;
        }
    }

    public void Rebase(CutMask mask, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(mask);
        var from = FirstDifference(_base, mask);
        if (from == Units.Parts.Length) return;

        // Until the new states are there, only those before the difference hold for both masks.
        _states.InvalidateFrom(from);
        _base = mask;
        var capture = _states.WorthKeeping(mask, from);
        if (capture.Length == 0) return;
        for (var batch = 0; batch < _batches.Batches.Length; batch++)
        {
            var use = new StateUse(_states, batch, _states.LatestBefore(batch, from), capture);
            _model.Decode(_batches.Batches[batch], mask, use, logits: false, cancellationToken);
        }
    }

    public IReadOnlyList<double> Score(IReadOnlyList<CutMask> masks, double share, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(masks);
        if (share is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(share), share, "Expected a share in (0, 1].");
        return [.. masks.Select(mask => Score(mask, (int)Math.Ceiling(share * _batches.Batches.Length), cancellationToken))];
    }

    public void Dispose() => _model.Dispose();

    private double Score(CutMask mask, int batches, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (sum, rows) = (0.0, 0);
        var known = Known(mask);
        for (var batch = 0; batch < batches || (rows == 0 && batch < _batches.Batches.Length); batch++)
        {
            if (batch == known.Count) known.Add(_scored.CountOf(batch) == 0 ? 0 : SumOf(mask, batch, cancellationToken));
            sum += known[batch];
            rows += _scored.CountOf(batch);
        }

        return sum / rows;
    }

    /// <summary>Sums of distances by batch, as far as the mask was scored before: a race looks at the same mask again and again, on more tokens each time.</summary>
    private List<double> Known(CutMask mask)
    {
        if (_sums.TryGetValue(mask, out var known)) return known;
        if (_sums.Count >= KnownMasks) _sums.Clear();
        return _sums[mask] = [];
    }

    private double SumOf(CutMask mask, int batch, CancellationToken cancellationToken)
    {
        var use = new StateUse(_states, batch, _states.LatestBefore(batch, FirstDifference(_base, mask)), []);
        var sequences = _batches.Batches[batch];
        _model.Decode(sequences, mask, use, logits: true, cancellationToken);
        return _scored.SumOfDistances(_reference, _model.Decoder, sequences.FirstRow, sequences.Tokens, _options.Threads);
    }

    private void MakeReference(Action<int, int> progress, CancellationToken cancellationToken)
    {
        var capture = _states.WorthKeeping(_base, 0);
        for (var batch = 0; batch < _batches.Batches.Length; batch++)
        {
            var sequences = _batches.Batches[batch];
            _model.Decode(sequences, _base, new StateUse(_states, batch, -1, capture), logits: true, cancellationToken);
            _scored.KeepReference(_reference, _model.Decoder, sequences.FirstRow, _options.Threads);
            progress(batch + 1, _batches.Batches.Length);
        }
    }

    /// <summary>Order of the first sublayer in which two masks differ; the number of orders where they are equal.</summary>
    internal static int FirstDifference(CutMask left, CutMask right)
    {
        for (var word = 0; word < left.Words.Length; word++)
        {
            var difference = left.Words[word] ^ right.Words[word];
            if (difference != 0) return left.Units.UnitAt((word << 6) + System.Numerics.BitOperations.TrailingZeroCount(difference)).Sublayer.Order;
        }

        return left.Units.Parts.Length;
    }
}
