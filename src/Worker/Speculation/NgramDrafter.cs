using FinerCut.Worker.Batching;

namespace FinerCut.Worker.Speculation;

/// <summary>
/// Prompt lookup: where the last tokens stood before in the prompt or the answer, what followed them there is the guess. Costs a search
/// through one's own tokens and no computation, and helps where answers repeat their prompts: code, quotations, summaries.
/// </summary>
/// <param name="size">Tokens that must be the same; at least 1.</param>
/// <param name="most">Tokens guessed at once.</param>
public sealed class NgramDrafter(int size, int most) : IDrafter
{
    public int Most => most;

    public void Draft(IReadOnlyList<Generation> generations, ReadOnlySpan<int> room)
    {
        ArgumentNullException.ThrowIfNull(generations);
        for (var i = 0; i < generations.Count; i++)
        {
            var next = Following(generations[i].Tokens, size);
            generations[i].Guesses.AddRange(next[..Math.Min(next.Length, Math.Min(room[i], most))]);
        }
    }

    public void Forget(Generation generation)
    {
    }

    public void Dispose()
    {
    }

    /// <summary>What came after the latest earlier place that has the last <paramref name="size"/> tokens; empty where there is none.</summary>
    internal static ReadOnlySpan<int> Following(ReadOnlySpan<int> tokens, int size)
    {
        if (tokens.Length <= size) return [];
        var at = tokens[..^1].LastIndexOf(tokens[^size..]);
        return at < 0 ? [] : tokens[(at + size)..];
    }
}
