using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Dealing;

/// <summary>
/// Scores masks batch by batch on one loaded model. References and residual states are made when a batch is first asked for, and states of few batches are kept:
/// a machine of several scores few of them. One thread at a time; scores are those of <see cref="GraphMaskScorer"/> to the last bit.
/// </summary>
public sealed class ModelBatchScorer : IBatchScorer, IDisposable
{
    private readonly MaskedModel _model;
    private readonly TokenBatches _batches;
    private readonly ScoredRows _scored;
    private readonly IReferenceRows _reference;
    private readonly ScoringOptions _options;
    private readonly bool[] _referenced;

    /// <summary>By batch, the latest used last.</summary>
    private readonly List<(int Batch, ResidualStates States, CutMask Base)> _states = [];

    /// <param name="model">Loaded; not disposed here.</param>
    /// <param name="units">What masks are of.</param>
    /// <param name="set">Calibration tokens.</param>
    /// <param name="distance">From the full model's output.</param>
    /// <param name="options">The same on all machines, but for the threads: how references are kept follows from it.</param>
    public ModelBatchScorer(ILlamaModel model, UnitMap units, CalibrationSet set, DistanceKind distance, ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(options);
        (Units, _options) = (units, options);
        _batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        _scored = ScoredRows.Of(_batches, options.Tokens);
        _model = new MaskedModel(model, units.Shape, _batches.Capacity, options.Threads);
        _reference = ReferenceRows.For(distance, _scored.Count, _model.Decoder.Vocabulary, options.LogitBytes, options.TopK);
        _referenced = new bool[_batches.Batches.Length];
        Rows = [.. Enumerable.Range(0, _batches.Batches.Length).Select(_scored.CountOf)];
    }

    public UnitMap Units { get; }

    /// <summary>Tokens of each batch that count.</summary>
    public ImmutableArray<int> Rows { get; }

    public bool IsReferenceCompact => _reference is TopKReference;

    public Task<IReadOnlyList<double>> SumsAsync(CutMask announced, IReadOnlyList<CutMask> masks, int batch, CancellationToken cancellationToken) =>
        Task.FromResult(Sums(announced, masks, batch, cancellationToken));

    /// <summary>As <see cref="IBatchScorer.SumsAsync"/>.</summary>
    public IReadOnlyList<double> Sums(CutMask announced, IReadOnlyList<CutMask> masks, int batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(announced);
        ArgumentNullException.ThrowIfNull(masks);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)batch, (uint)Rows.Length);
        if (Rows[batch] == 0) return [.. masks.Select(_ => 0.0)];
        var states = StatesOf(announced, batch, cancellationToken);
        return [.. masks.Select(mask => Sum(mask, announced, states, batch, cancellationToken))];
    }

    public void Dispose() => _model.Dispose();

    private double Sum(CutMask mask, CutMask from, ResidualStates states, int batch, CancellationToken cancellationToken)
    {
        var sequences = _batches.Batches[batch];
        _model.Decode(sequences, mask, new StateUse(states, 0, states.LatestBefore(0, GraphMaskScorer.FirstDifference(from, mask)), []), logits: true, cancellationToken);
        return _scored.SumOfDistances(_reference, _model.Decoder, sequences.FirstRow, sequences.Tokens, _options.Threads);
    }

    /// <summary>The batch's states of the announced mask.</summary>
    private ResidualStates StatesOf(CutMask announced, int batch, CancellationToken cancellationToken)
    {
        var (states, at) = Taken(batch);
        var sequences = _batches.Batches[batch];
        var capture = at is null ? states.WorthKeeping(CutMask.None(Units), 0) : [];
        if (!_referenced[batch])
        {
            _model.Decode(sequences, CutMask.None(Units), new StateUse(states, 0, -1, capture), logits: true, cancellationToken);
            _scored.KeepReference(_reference, _model.Decoder, sequences.FirstRow, _options.Threads);
            _referenced[batch] = true;
            at = CutMask.None(Units);
        }

        var from = at is null ? 0 : GraphMaskScorer.FirstDifference(at, announced);
        if (from < Units.Parts.Length)
        {
            // Until the new states are there, only those before the difference hold for both masks.
            states.InvalidateFrom(from);
            capture = states.WorthKeeping(announced, from);
            if (capture.Length > 0) _model.Decode(sequences, announced, new StateUse(states, 0, states.LatestBefore(0, from), capture), logits: false, cancellationToken);
        }

        _states.Add((batch, states, announced));
        return states;
    }

    /// <summary>Taken off the list, so that a decode that fails leaves no states that are half another mask's. Null: none of any mask are in it.</summary>
    private (ResidualStates States, CutMask? Base) Taken(int batch)
    {
        if (_states.FindIndex(kept => kept.Batch == batch) is >= 0 and var at)
        {
            var (_, states, mask) = _states[at];
            _states.RemoveAt(at);
            return (states, mask);
        }

        var made = new ResidualStates(Units.Shape, [_batches.Batches[batch].Tokens], _options.StateBytes);
        while (_states.Count > 0 && _states.Sum(kept => kept.States.Bytes) + made.Bytes > _options.StateBytes) _states.RemoveAt(0);
        return (made, null);
    }
}
