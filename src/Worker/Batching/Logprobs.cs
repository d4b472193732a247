using System.Collections.Immutable;
using System.Numerics.Tensors;
using FinerCut.Runtime;

namespace FinerCut.Worker.Batching;

/// <summary>Exact log-probabilities out of raw logits.</summary>
internal static class Logprobs
{
    /// <param name="logits">One per token of the vocabulary.</param>
    /// <param name="top">Number of most likely tokens to name.</param>
    public static TokenLogprob Of(ReadOnlySpan<float> logits, int token, int top)
    {
        var greatest = TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (var logit in logits) sum += Math.Exp(logit - greatest);
        var normaliser = greatest + Math.Log(sum);
        return new TokenLogprob(token, (float)(logits[token] - normaliser), Top(logits, top, normaliser));
    }

    /// <summary>What the sampler drew its last token from.</summary>
    /// <exception cref="NotSupportedException">The runtime's samplers do not tell.</exception>
    public static TokenLogprob Drawn(ISampler sampler, int token, int top)
    {
        var odds = sampler as IDrawOdds ?? throw new NotSupportedException("This runtime's samplers do not tell what they drew from.");
        return new TokenLogprob(token, odds.LogOdds(token), [.. odds.Likeliest(top).Select(other => new TokenAlternative(other.Token, other.LogOdds))]);
    }

    private static ImmutableArray<TokenAlternative> Top(ReadOnlySpan<float> logits, int top, double normaliser)
    {
        if (top == 0) return [];
        Span<int> best = stackalloc int[top];
        var count = 0;
        for (var i = 0; i < logits.Length; i++)
        {
            if (count == top && logits[i] <= logits[best[count - 1]]) continue;
            var at = count < top ? count++ : count - 1;
            for (; at > 0 && logits[best[at - 1]] < logits[i]; at--) best[at] = best[at - 1];
            best[at] = i;
        }

        var result = ImmutableArray.CreateBuilder<TokenAlternative>(count);
        foreach (var token in best[..count]) result.Add(new TokenAlternative(token, (float)(logits[token] - normaliser)));
        return result.MoveToImmutable();
    }
}
