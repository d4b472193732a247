namespace FinerCut.Worker.Grammars;

/// <summary>How large a grammar may grow. Beyond it the schema is refused; nothing is cut.</summary>
public sealed record GrammarLimits
{
    public static GrammarLimits Default { get; } = new();

    /// <summary>Bytes of the schema's text.</summary>
    public int SchemaBytes { get; init; } = 1 << 20;

    /// <summary>Nesting of the schema's text.</summary>
    public int Depth { get; init; } = 64;

    /// <summary>Rules of the grammar.</summary>
    public int Rules { get; init; } = 20_000;

    /// <summary>States of all automata for patterns, formats, ranges and names together.</summary>
    public int States { get; init; } = 20_000;

    /// <summary>Alternatives that one place in the schema may multiply out to (anyOf within allOf).</summary>
    public int Alternatives { get; init; } = 512;

    /// <summary>Largest counted repetition: minItems, maxLength and so on.</summary>
    public int Repetitions { get; init; } = 1_000_000;

    /// <summary>A maximum at or above this is no limit: no context holds an answer that long.</summary>
    public int Unbounded { get; init; } = 1 << 24;

    /// <summary>Characters of the grammar's text; the runtime takes no more.</summary>
    public int GrammarChars { get; init; } = 1 << 20;

    /// <summary>
    /// Steps that libllama's check for left recursion takes; it walks every leftmost path, so that a few rules can keep it busy for ever.
    /// </summary>
    public long LeftmostSteps { get; init; } = 2_000_000;
}
