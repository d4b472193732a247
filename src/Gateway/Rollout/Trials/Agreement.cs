namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>How much two answers have in common. Pure.</summary>
public static class Agreement
{
    private static readonly char[] Space = [' ', '\t', '\r', '\n', '.', ',', ';', ':', '!', '?', '"', '(', ')', '*', '`'];

    /// <summary>
    /// 0 to 1: the harmonic mean of precision and recall over words without regard to order and case, each word as often as it occurs (the F1 of
    /// SQuAD, Rajpurkar et al. 2016, §6.1). 1 for two empty answers. Sampled answers of one and the same model do not reach 1 either.
    /// </summary>
    public static double Of(string one, string other)
    {
        ArgumentNullException.ThrowIfNull(one);
        ArgumentNullException.ThrowIfNull(other);
        var words = one.Split(Space, StringSplitOptions.RemoveEmptyEntries);
        var others = other.Split(Space, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length + others.Length == 0) return 1;
        var left = words.CountBy(word => word, StringComparer.OrdinalIgnoreCase).ToDictionary(word => word.Key, word => word.Value, StringComparer.OrdinalIgnoreCase);
        var shared = 0;
        foreach (var word in others)
        {
            if (!left.TryGetValue(word, out var count) || count == 0) continue;
            left[word] = count - 1;
            shared++;
        }

        return 2.0 * shared / (words.Length + others.Length);
    }
}
