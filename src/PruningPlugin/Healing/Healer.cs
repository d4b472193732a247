using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Healing;

/// <summary>
/// Heals a pruned model in closed form, sublayer by sublayer from the first damaged one on, so that the residual stream after each comes as near to the full
/// model's as can be. Where a sublayer is gone stands a map of low rank; kept sublayers' output projections are fitted anew, which costs no
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
        var batches = TokenBatches.Pack(set, new ScoringOptions(options.Threads).BatchTokens(model.Info.VocabularySize));
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
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
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
        var directions = options.Projections == ProjectionHealing.Weights ? options.Directions : 0;
        var nothing = new HealedProjection(weights.Sublayer, weights.Type, weights.Channels.Length, weights.Rows, [], [], 1, 0);
        var fit = FitOf(directions == 0 ? 0 : weights.Channels.Length, full, lean, batches, batch => directions == 0 ? [] : lean.Inputs(weights, batch));
        if (fit.Fit(options.Penalties, directions) is not { } map) return weights.NeedsGrid ? throw new InvalidOperationException($"{weights.Sublayer}: nothing to fit its projection on.") : nothing;
        if (directions > 0 && (weights.NeedsGrid || map.Left < 1 - options.LeastGain))
        {
            var data = weights.Changed(map.Matrix(options.Threads), map.Factor, options.Threads);
            var change = weights.Difference(nothing with { Weights = data })!;
            var bias = options.Biases ? map.Intercept(change) : new float[weights.Rows];
            var left = fit.LeftBy(change, bias);
            if (weights.NeedsGrid || left < 1 - options.LeastGain) return nothing with { Weights = data, Bias = options.Biases ? [.. bias] : [], Left = left, Penalty = map.Penalty };
        }

        // What does not help on tokens that it was not fitted on is left alone.
        return options.Biases && map.LeftByConstant < 1 - options.LeastGain ? nothing with { Bias = [.. map.MeanY], Left = map.LeftByConstant } : nothing;
    }

    private HealingSite? FitSite(Sublayer sublayer, float[] norm, StreamRun full, HealedStream lean, TokenBatches batches)
    {
        var fit = FitOf(norm.Length, full, lean, batches, batch => StreamNorm.Of(lean.Stream(batch), norm, _epsilon));
        if (fit.Fit(options.Penalties, options.MaxRank) is not { } map) return null;
        var rank = RankOf(map, mask.Units.Shape.BytesOf(sublayer), norm.Length);
        if (rank == 0) return null;
        var into = map.InShared(rank);
        var from = map.Out[..(rank * norm.Length)];
        var matrix = new float[norm.Length * norm.Length];
        Products.AddProduct(into, rank, from, norm.Length, matrix, options.Threads);
        return HealingSite.Of(sublayer, norm, into, from, map.Intercept(matrix), map.LeftByConstant - map.Gains.Take(rank).Sum());
    }

    /// <summary>
    /// The rank whose gain on held-back tokens most exceeds the price of its bytes, when the sublayer's bytes are what its whole error is worth; 0 where
    /// none does.
    /// </summary>
    private int RankOf(LinearMap map, long bytes, int width)
    {
        var (best, most) = (0, 0.0);
        var gain = 1 - map.LeftByConstant;
        for (var rank = 1; rank <= map.Shares.Length; rank++)
        {
            gain += map.Gains[rank - 1];
            if (rank % HealingOptions.RankStep != 0 || HealingSite.BytesOf(width, rank) > _allowance) continue;
            var worth = gain - (options.Price * HealingSite.BytesOf(width, rank) / Math.Max(bytes, 1));
            if (worth > most) (best, most) = (rank, worth);
        }

        return best;
    }

    private LinearFit FitOf(int inputs, StreamRun full, HealedStream lean, TokenBatches batches, InputsOf inputsOf)
    {
        var width = mask.Units.Shape.EmbeddingLength;
        var fit = new LinearFit(inputs, width, options.Threads);
        for (var batch = 0; batch < batches.Batches.Length; batch++)
        {
            var wanted = full.Stream(batch);
            var error = new float[wanted.Length];
            TensorPrimitives.Subtract(wanted, lean.Stream(batch), error);
            var x = inputsOf(batch);
            foreach (var check in (bool[])[false, true]) fit.Add(x, error, TokenWeights(batches.Batches[batch], wanted, width, check), check);
        }

        return fit;
    }

    /// <summary>A batch's [tokens × inputs].</summary>
    private delegate ReadOnlySpan<float> InputsOf(int batch);

    private float[]? NormOf(Sublayer sublayer)
    {
        var name = $"blk.{sublayer.Block}.{(sublayer.Kind == SublayerKind.Attention ? "attn_norm" : "ffn_norm")}.weight";
        if (source.Find(name) is not var (file, tensor) || !GgmlDecoder.CanDecode(tensor.Type)) return null;
        var weights = new float[tensor.Shape[0]];
        GgmlDecoder.Decode(tensor.Type, file.Data(tensor), weights);
        return weights;
    }

    /// <summary>0 where a token is not of the part that is asked for.</summary>
    private float[] TokenWeights(PackedSequences sequences, ReadOnlySpan<float> stream, int width, bool check)
    {
        var weights = new float[sequences.Tokens];
        foreach (var (sequence, index, firstRow) in sequences.Sequences)
        {
            if (check != (index % options.CheckEvery == options.CheckEvery - 1)) continue;
            var start = firstRow - sequences.Sequences[0].FirstRow;
            for (var row = start; row < start + sequence.Tokens.Length; row++) weights[row] = TokenWeight.Of(stream.Slice(row * width, width));
        }

        return weights;
    }
}
