using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

internal enum LanguageKind { None, Epsilon, Chars, Join, Either, Both, Not, Repeat, Multiple }

/// <summary>
/// A regular language over code points, as an expression with intersection and complement. Made by one <see cref="LanguageSpace"/>, which makes
/// each expression once: within a space equal expressions are the same object.
/// </summary>
internal sealed class Language
{
    internal Language(int id, LanguageKind kind, bool isNullable)
    {
        Id = id;
        Kind = kind;
        IsNullable = isNullable;
    }

    public int Id { get; }

    public LanguageKind Kind { get; }

    /// <summary>Whether the empty text belongs to it.</summary>
    public bool IsNullable { get; }

    /// <summary>Chars: which.</summary>
    internal CharSet Set { get; init; } = CharSet.None;

    /// <summary>Join: two. Either, Both: two or more, ascending by id. Not, Repeat: one.</summary>
    internal ImmutableArray<Language> Parts { get; init; } = [];

    /// <summary>Repeat: how often at least and at most (null = without end).</summary>
    internal int Least { get; init; }

    internal int? Most { get; init; }

    /// <summary>Multiple: how far the number has been read.</summary>
    internal DivisionState Division { get; init; }
}

/// <summary>
/// A decimal number on its way through division: the texts that are multiples of <c>Divisor</c> / 10^<c>Places</c>.
/// </summary>
/// <param name="Remainder">Of the digits so far.</param>
/// <param name="Fraction">Digits after the point so far; -1 = no point yet.</param>
internal readonly record struct DivisionState(int Divisor, int Places, int Remainder, int Fraction)
{
    public bool IsMultiple
    {
        get
        {
            long rest = Remainder;
            for (var i = Math.Max(Fraction, 0); i < Places; i++) rest = rest * 10 % Divisor;
            return rest == 0;
        }
    }
}
