using System.Collections.Immutable;
using FinerCut.Calibration;

namespace FinerCut.Pruning.Texts;

/// <summary>Sets made of texts of two kinds. Pure.</summary>
internal static class TextMixture
{
    /// <summary>Both lists in their orders, each spread evenly over the whole: shares of the tokens are taken from the beginning.</summary>
    public static CalibrationSet Spread(string name, ImmutableArray<TokenSequence> one, ImmutableArray<TokenSequence> other) => new(
        name,
        [
            .. one.Select((sequence, at) => (Place: (at + 0.5) / one.Length, Sequence: sequence))
                .Concat(other.Select((sequence, at) => (Place: (at + 0.5) / other.Length, Sequence: sequence)))
                .OrderBy(item => item.Place).Select(item => item.Sequence),
        ]);

    /// <summary>The first of them, one at least, with no more tokens together than this.</summary>
    public static ImmutableArray<TokenSequence> First(ImmutableArray<TokenSequence> sequences, int tokens)
    {
        var (count, sum) = (0, 0);
        while (count < sequences.Length && (count == 0 || sum + sequences[count].Tokens.Length <= tokens)) sum += sequences[count++].Tokens.Length;
        return sequences[..count];
    }
}
