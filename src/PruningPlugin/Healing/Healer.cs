using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Heals a pruned model in closed form, sublayer by sublayer from the first damaged one on, so that the residual stream after each comes as near to the full
/// model's as can be. Where a sublayer is gone stands a map of low rank, or a full one; kept sublayers' output projections are fitted anew, which costs no
/// byte. Sequential on the pruned run: each fit sees the stream that the earlier ones left, and makes up for what they could not, their
/// rounding included. One run, one thread.
/// </summary>
internal sealed class Healer(ILlamaModel model, GgufShards source, CutMask mask, HealingOptions options)
{
    private long _allowance;
    private readonly float _epsilon = StreamNorm.EpsilonOf(source.Model);

    /// <param name="set">Sequences to fit on.</param>
    /// <param name="journal">Fits made before, and where new ones are kept.</param>
    /// <param name="progress">Sublayers done and all.</param>
    public HealedModel Heal(CalibrationSet set, HealingJournal? journal, Action<int, int> progress, CancellationToken cancellationToken)
    {
        var shape = mask.Units.Shape;
        var touched = shape.Sublayers().Where(mask.IsTouched).Select(sublayer => sublayer.Order).ToArray();
        if (touched.Length == 0 || shape.Sublayers().All(mask.IsGone)) return HealedModel.None;
        var batches = TokenBatches.Pack(set, new ScoringOptions(options.Threads).BatchTokens(model.Info));
        using var masked = new MaskedModel(model, shape, batches.Capacity, options.Threads);
        var full = new StreamRun(masked, batches, CutMask.None(mask.Units));
        var lean = new HealedStream(masked, batches, mask, options.Threads);
        var projections = ImmutableArray.CreateBuilder<HealedProjection>();
        var sites = ImmutableArray.CreateBuilder<HealingSite>();
        var sublayers = shape.Sublayers().Where(sublayer => sublayer.Order >= touched[0]).ToArray();
        for (var done = 0; done < sublayers.Length; done++)
        {
            progress(done, sublayers.Length);

            // Matrices of the last fit are garbage that the heap would let grow by far (JobMemory).
            FreedMemory.GiveBack();
            var sublayer = sublayers[done];
            full.Advance(sublayer.Order, null, cancellationToken);
            var weights = options.Projections == ProjectionHealing.None ? null : ProjectionWeights.Of(source, mask, sublayer);
            lean.Advance(sublayer.Order, weights is not null, cancellationToken);
            if (weights is not null)
            {
                var projection = journal?.FindProjection(sublayer) ?? FitProjection(weights, full, lean, batches);
                journal?.Keep(projection);
                lean.Apply(weights, projection);
                if (projection.Weights.Length > 0 || projection.Bias.Length > 0) projections.Add(projection);
            }
            else if (options.MaxRank > 0 && mask.IsGone(sublayer) && NormOf(sublayer) is { } norm)
            {
                var (found, known) = journal?.FindSite(sublayer) ?? (false, null);
                _allowance += options.BytesASite;
                var site = found ? known : FitSite(sublayer, norm, full, lean, batches);
                journal?.Keep(sublayer, site);
                if (site is null) continue;
                _allowance -= site.Bytes;
                lean.Apply(site, _epsilon);
                sites.Add(site);
            }
        }

        progress(sublayers.Length, sublayers.Length);
        return new HealedModel(projections.ToImmutable(), sites.ToImmutable());
    }

    private HealedProjection FitProjection(ProjectionWeights weights, StreamRun full, HealedStream lean, TokenBatches batches)
    {
        var directions = options.Projections == ProjectionHealing.Weights ? int.MaxValue : 0;
        var nothing = new HealedProjection(weights.Sublayer, weights.Type, weights.Channels.Length, weights.Rows, [], [], 1, 0);
        var errors = new StreamErrors(full, lean, mask.Units.Shape.EmbeddingLength);

        // What the cut took is a clean function of this sublayer's inputs, what earlier ones left is mostly not: fitted together, the noise of the second would shrink what is believed of the first.
        var parts = directions > 0 && weights.HasLost ? 2 : 1;
        var data = new FitData(
            batches, directions == 0 ? 0 : weights.Channels.Length, weights.Rows, parts, batch => directions == 0 ? [] : lean.Inputs(weights, batch),
            batch => parts == 1 ? errors.Of(batch) : errors.Parted(batch, weights.Lost(lean.AllInputs(weights, batch), options.Threads)), errors.Weights);
        if (Best(data, directions) is not { } fit) return weights.NeedsGrid ? throw new InvalidOperationException($"{weights.Sublayer}: nothing to fit its projection on.") : nothing;
        var map = fit.Map with { MeanY = StreamErrors.Joined(fit.Map.MeanY, weights.Rows, parts) };
        if (directions > 0 && (weights.NeedsGrid || fit.Left < 1 - options.LeastGain))
        {
            var wanted = StreamErrors.Joined(fit.Map.Matrix(fit.Shares, options.Threads), weights.Rows, parts);
            var healed = nothing with { Weights = weights.Changed(wanted, fit.Factor, options.Threads), Penalty = fit.Penalty };
            var change = weights.Difference(healed)!;
            var rounding = new float[change.Length];
            TensorPrimitives.Subtract<float>(change, wanted, rounding);
            var left = fit.Left + errors.ShareOf(data, rounding, map.MeanX, options.Threads);
            if (weights.NeedsGrid || left < 1 - options.LeastGain) return healed with { Bias = options.Biases ? [.. map.Intercept(change)] : [], Left = left };
        }

        // What does not help on tokens that it was not fitted on is left alone.
        return options.Biases && fit.LeftByConstant < 1 - options.LeastGain ? nothing with { Bias = [.. map.MeanY], Left = fit.LeftByConstant } : nothing;
    }

    private HealingSite? FitSite(Sublayer sublayer, float[] norm, StreamRun full, HealedStream lean, TokenBatches batches)
    {
        var errors = new StreamErrors(full, lean, norm.Length);
        var data = new FitData(batches, norm.Length, norm.Length, 1, batch => StreamNorm.Of(lean.Stream(batch), norm, _epsilon), errors.Of, errors.Weights);
        var choice = new SiteChoice(mask.Units.Shape.BytesOf(sublayer), _allowance, options.Price);
        var fit = Best(data, Math.Min(options.MaxRank, norm.Length));
        var (rank, worth) = fit is null ? (0, 0) : choice.Rank(1 - fit.LeftByConstant, fit.Gains, norm.Length);
        if (options.Linear && sublayer.Kind == SublayerKind.Attention && FitLinear(data, choice, worth) is { } linear) return LinearSite.Of(sublayer, norm, linear.Matrix, linear.Left);
        if (fit is null || rank == 0) return null;
        var shares = fit.Shares[..rank];
        return LowRankSite.Of(
            sublayer, norm, fit.Map.InShared(shares), fit.Map.Out![..(rank * norm.Length)], fit.Map.Intercept(fit.Map.Matrix(shares, options.Threads)), fit.LeftByConstant - fit.Gains.Take(rank).Sum());
    }

    /// <summary>A full map where it is worth more than the best of low rank; not even fitted where it could not be.</summary>
    private LinearFit? FitLinear(FitData data, SiteChoice choice, double worth)
    {
        var bytes = LinearSite.BytesOf(data.Inputs);
        if (choice.Worth(1, bytes) <= worth) return null;
        var best = options.Penalties.Select(penalty => LinearFit.Of(data, penalty, options.MaxRank, options.Threads)).OfType<LinearFit>().MinBy(fit => fit.Left);
        return best is not null && choice.Worth(1 - best.Left, bytes) > worth ? best : null;
    }

    /// <summary>The fit with the penalty that leaves least of the sequences that it has not seen.</summary>
    private LeaveOneOutFit? Best(FitData data, int directions) =>
        options.Penalties.Select(penalty => LeaveOneOutFit.Of(data, penalty, directions, options.Threads)).OfType<LeaveOneOutFit>().MinBy(fit => fit.Left);

    private float[]? NormOf(Sublayer sublayer)
    {
        var name = $"blk.{sublayer.Block}.{(sublayer.Kind == SublayerKind.Attention ? "attn_norm" : "ffn_norm")}.weight";
        if (source.Find(name) is not var (file, tensor) || !GgmlDecoder.CanDecode(tensor.Type)) return null;
        var weights = new float[tensor.Shape[0]];
        GgmlDecoder.Decode(tensor.Type, file.Data(tensor), weights);
        return weights;
    }
}
