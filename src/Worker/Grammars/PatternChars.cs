namespace FinerCut.Worker.Grammars;

/// <summary>Characters that regular expressions have names for (ECMA-262, without flags).</summary>
internal static class PatternChars
{
    public static CharSet LineEnds { get; } = CharSet.Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));

    private static readonly CharSet s_word = CharSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    private static readonly CharSet s_space = CharSet.Of(
        (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>Takes an escape, from its backslash on. <paramref name="single"/> is its code point where it stands for one.</summary>
    public static CharSet Escape(PatternReader reader, out int? single, bool inClass = false)
    {
        reader.Take("\\");
        single = null;
        var letter = reader.CodePoint();
        switch (letter)
        {
            case 'd': return CharSet.Digits;
            case 'D': return CharSet.Digits.Complement();
            case 'w': return s_word;
            case 'W': return s_word.Complement();
            case 's': return s_space;
            case 'S': return s_space.Complement();
        }

        single = letter switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            '0' => 0,
            'b' when inClass => '\b',
            'x' => reader.Hex(2),
            'u' => Unicode(reader),
            'c' => reader.CodePoint() % 32,
            (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '1' and <= '9') =>
                throw reader.Refuse($"has the escape '\\{(char)letter}' (word borders, back references and Unicode properties are not taken)"),
            _ => letter,
        };
        return CharSet.Of(single.Value);
    }

    private static int Unicode(PatternReader reader)
    {
        if (reader.Take("{")) return reader.HexInBraces();
        var unit = reader.Hex(4);
        if (!char.IsSurrogate((char)unit)) return unit;
        if (!char.IsHighSurrogate((char)unit) || !reader.Take("\\u")) throw reader.Refuse("has half a surrogate pair");
        var low = reader.Hex(4);
        return char.IsLowSurrogate((char)low) ? char.ConvertToUtf32((char)unit, (char)low) : throw reader.Refuse("has half a surrogate pair");
    }
}
