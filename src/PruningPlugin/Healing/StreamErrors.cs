using System.Numerics.Tensors;

namespace FinerCut.Pruning.Healing;

/// <summary>What a pruned run's stream is short of, where two runs stand. Reads them as they are now; one thread.</summary>
/// <param name="width">Of the stream.</param>
internal sealed class StreamErrors(StreamRun full, HealedStream lean, int width)
{
    /// <summary>[tokens × width] of a batch: the full model's stream less the lean one's.</summary>
    public float[] Of(int batch)
    {
        var wanted = full.Stream(batch);
        var errors = new float[wanted.Length];
        TensorPrimitives.Subtract(wanted, lean.Stream(batch), errors);
        return errors;
    }

    /// <summary>[tokens × 2 · width] of a batch: a part of the error, and the rest of it.</summary>
    /// <param name="part">[tokens × width].</param>
    public float[] Parted(int batch, float[] part)
    {
        var errors = Of(batch);
        var parted = new float[2 * errors.Length];
        for (var at = 0; at < errors.Length; at += width)
        {
            part.AsSpan(at, width).CopyTo(parted.AsSpan(2 * at));
            TensorPrimitives.Subtract(errors.AsSpan(at, width), part.AsSpan(at, width), parted.AsSpan((2 * at) + width, width));
        }

        return parted;
    }

    /// <summary>The parts of each row together.</summary>
    /// <param name="parted">Rows of <paramref name="parts"/> · <paramref name="width"/>.</param>
    public static float[] Joined(float[] parted, int width, int parts)
    {
        if (parts == 1) return parted;
        var joined = new float[parted.Length / parts];
        for (var at = 0; at < joined.Length; at += width)
        {
            for (var part = 0; part < parts; part++) TensorPrimitives.Add(joined.AsSpan(at, width), parted.AsSpan((parts * at) + (part * width), width), joined.AsSpan(at, width));
        }

        return joined;
    }

    /// <summary>What each token of a batch counts.</summary>
    public float[] Weights(int batch) => TokenWeight.OfEach(full.Stream(batch), width);

    /// <summary>Squares of a change of the stream, as a share of the errors' own, on some of the batches.</summary>
    /// <param name="change">[inputs × width].</param>
    /// <param name="means">Of the inputs: a bias makes up for these.</param>
    public double ShareOf(FitData data, float[] change, float[] means, int threads)
    {
        double squares = 0, total = 0;
        for (var (batch, tokens) = (0, 0); batch < data.Batches.Batches.Length && tokens < Judged; tokens += data.Batches.Batches[batch++].Tokens)
        {
            var (errors, weights, x) = (Of(batch), Weights(batch), data.X(batch).ToArray());
            for (var token = 0; token < weights.Length; token++) TensorPrimitives.Subtract(x.AsSpan(token * means.Length, means.Length), means, x.AsSpan(token * means.Length, means.Length));
            var changed = new float[errors.Length];
            Products.AddProduct(x, means.Length, change, width, changed, threads);
            for (var token = 0; token < weights.Length; token++)
            {
                squares += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(changed.AsSpan(token * width, width));
                total += weights[token] * (double)TensorPrimitives.SumOfSquares<float>(errors.AsSpan(token * width, width));
            }
        }

        return total > 0 ? squares / total : 0;
    }

    /// <summary>Tokens that are enough for a share of one change.</summary>
    private const int Judged = 4096;
}
