using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>
/// The candidates (llama_token_data) of one session's samplers: allocated once, pinned, filled from logits for each token. Samplers of a
/// session share it, since they run on one thread.
/// </summary>
internal sealed unsafe class TokenSelection(int vocabularySize)
{
    private readonly LlamaTokenData[] _candidates = GC.AllocateArray<LlamaTokenData>(vocabularySize, pinned: true);

    /// <summary>Index of the largest logit; the first of equals.</summary>
    /// <exception cref="LlamaException">A logit is not a number.</exception>
    internal static int Largest(ReadOnlySpan<float> logits)
    {
        RequireNumbers(logits, out var largest);
        return logits.IndexOf(largest);
    }

    /// <summary>All tokens with their logits, unsorted.</summary>
    internal LlamaTokenDataArray All(ReadOnlySpan<float> logits)
    {
        RequireNumbers(logits, out _);
        for (var i = 0; i < logits.Length; i++) _candidates[i] = new LlamaTokenData { Id = i, Logit = logits[i] };
        return Array(logits.Length);
    }

    /// <summary>What turns the logits of candidates into logarithms of their probabilities.</summary>
    internal static double Normaliser(ReadOnlySpan<LlamaTokenData> candidates)
    {
        var greatest = double.NegativeInfinity;
        foreach (var candidate in candidates) greatest = Math.Max(greatest, candidate.Logit);
        double sum = 0;
        foreach (var candidate in candidates) sum += Math.Exp(candidate.Logit - greatest);
        return greatest + Math.Log(sum);
    }

    internal static float LogOdds(LlamaTokenData candidate, double normaliser) => (float)Math.Min(0, candidate.Logit - normaliser);

    /// <summary>One token alone, to ask whether a grammar takes it.</summary>
    internal static LlamaTokenDataArray Single(LlamaTokenData* token) => new() { Data = token, Size = 1, Selected = -1 };

    private LlamaTokenDataArray Array(int count) =>
        new() { Data = (LlamaTokenData*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_candidates)), Size = (nuint)count, Selected = -1 };

    /// <summary>NaN and +infinity would make sorting samplers read out of bounds.</summary>
    private static void RequireNumbers(ReadOnlySpan<float> logits, out float largest)
    {
        var most = new Vector<float>(float.NegativeInfinity);
        var bad = Vector<int>.Zero;
        var i = 0;
        for (; i <= logits.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var values = new Vector<float>(logits[i..]);
            most = Vector.Max(most, values);
            bad |= ~Vector.LessThan(values, new Vector<float>(float.PositiveInfinity));
        }

        largest = float.NegativeInfinity;
        var broken = bad != Vector<int>.Zero;
        for (var lane = 0; lane < Vector<float>.Count; lane++) largest = Math.Max(largest, most[lane]);
        for (; i < logits.Length; i++)
        {
            broken |= !(logits[i] < float.PositiveInfinity);
            largest = Math.Max(largest, logits[i]);
        }

        if (broken) throw new LlamaException(LlamaErrorCode.DecodeFailed, "The model's logits are not numbers (NaN or infinity): its weights are broken, or a mask left it without signal.");
    }
}
