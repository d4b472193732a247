namespace FinerCut.Worker.Grammars;

/// <summary>What a string may be under a case.</summary>
/// <param name="Pattern">All patterns and formats together; null = none is given.</param>
internal sealed record StringShape(Language? Pattern, int Least, int? Most)
{
    /// <summary>
    /// A maximum beside a pattern multiplies its states; a larger one is narrowed to this, which no text that anybody means passes.
    /// </summary>
    private const int PatternLength = 300;

    public static StringShape Of(SchemaCase @case, LanguageSpace space, GrammarLimits limits)
    {
        var parts = new List<Language>();
        foreach (var node in @case.Nodes)
        {
            if (node.Keyword("pattern") is { } pattern)
                parts.Add(PatternReader.Read(space, pattern.GetString()!, SchemaPath.Member(node.Path, "pattern")));
            if (SchemaCase.Format(node) is not { } format || StringFormats.IsHint(format) || format is "int32" or "int64") continue;
            var path = SchemaPath.Member(node.Path, "format");
            var known = StringFormats.Pattern(format)
                ?? throw new SchemaRefusedException(path, $"is not one of {string.Join(", ", StringFormats.Known)}. Leave it out, or use a pattern.");
            parts.Add(PatternReader.Read(space, known, path));
        }

        var least = @case.Least("minLength") ?? 0;
        var most = @case.Most("maxLength");
        if (most >= limits.Unbounded) most = null;
        if (least > limits.Repetitions) throw new SchemaRefusedException(@case.First("minLength")!.Path, $"has a minLength above {limits.Repetitions}.");
        if (most > limits.Repetitions)
            throw new SchemaRefusedException(@case.First("maxLength")!.Path, $"has a maxLength above {limits.Repetitions} (from {limits.Unbounded} on it is taken for none).");
        return new StringShape(parts.Count == 0 ? null : space.Both(parts), (int)least, (int?)most);
    }

    public Language Language(LanguageSpace space)
    {
        var length = space.Repeat(space.Chars(CharSet.Any), Least, Most);
        if (Most < Least) return space.None;
        if (Pattern is null) return length;
        return Most > PatternLength && Least <= PatternLength ? space.Both(Pattern, space.Repeat(space.Chars(CharSet.Any), Least, PatternLength)) : space.Both(Pattern, length);
    }
}
