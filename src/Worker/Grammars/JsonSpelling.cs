using System.Text.Encodings.Web;
using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>How characters and values are spelled in JSON text.</summary>
internal static class JsonSpelling
{
    /// <summary>Characters that stand for themselves in a string. U+007F may, but no model should be led to it.</summary>
    private static readonly CharSet s_plain = CharSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\'), (0x7F, 0x7F)).Complement();

    private static readonly (int Char, char Letter)[] s_short =
        [('"', '"'), ('\\', '\\'), ('\b', 'b'), ('\f', 'f'), ('\n', 'n'), ('\r', 'r'), ('\t', 't')];

    /// <summary>Larger sets leave out control characters without a short escape: nobody means them by "anything but".</summary>
    private const int SmallSet = 64;

    public static JsonSerializerOptions Relaxed { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One character of a set inside a JSON string, in its usual spelling.</summary>
    public static Expr Chars(CharSet set)
    {
        var ways = new List<Expr>();
        var plain = set.Intersect(s_plain);
        if (!plain.IsEmpty) ways.Add(Plain(plain));
        ways.AddRange(s_short.Where(escape => set.Contains(escape.Char)).Select(escape => Expr.Text("\\" + escape.Letter)));
        if (ways.Count == 0 || set.Ranges.Sum(range => (long)range.Last - range.First + 1) <= SmallSet)
        {
            for (var control = 0; control < 0x20; control++)
            {
                if (set.Contains(control) && s_short.All(escape => escape.Char != control)) ways.Add(Expr.Text($"\\u{control:x4}"));
            }

            if (set.Contains(0x7F)) ways.Add(Expr.Text("\\u007f"));
        }

        return Expr.Either(ways);
    }

    /// <summary>One character of a set as it is.</summary>
    public static Expr Plain(CharSet set) => set.Ranges is [var only] && only.First == only.Last
        ? Expr.Text(char.ConvertFromUtf32(only.First))
        : Expr.Chars(set);

    /// <summary>One character of any string in any spelling; surrogates only as pairs, so that one character is one code point.</summary>
    public static Expr AnyChar(GrammarRules rules) => rules.Once("char", () =>
    {
        var hex = Expr.Chars(CharSet.Of(('0', '9'), ('a', 'f'), ('A', 'F')));
        var noSurrogate = Expr.Either(
            Expr.Join(Expr.Chars(CharSet.Of(('0', '9'), ('a', 'c'), ('e', 'f'), ('A', 'C'), ('E', 'F'))), Expr.Many(hex, 3, 3)),
            Expr.Join(Expr.Chars(CharSet.Of(('d', 'd'), ('D', 'D'))), Expr.Chars(CharSet.Of(('0', '7'))), Expr.Many(hex, 2, 2)));
        var d = Expr.Chars(CharSet.Of(('d', 'd'), ('D', 'D')));
        var pair = Expr.Join(
            d, Expr.Chars(CharSet.Of(('8', '9'), ('a', 'b'), ('A', 'B'))), Expr.Many(hex, 2, 2), Expr.Text("\\u"),
            d, Expr.Chars(CharSet.Of(('c', 'f'), ('C', 'F'))), Expr.Many(hex, 2, 2));
        var escape = Expr.Either(
            Expr.Chars(CharSet.Of("\"\\/bfnrt".Select(letter => ((int)letter, (int)letter)))),
            Expr.Join(Expr.Text("u"), Expr.Either(noSurrogate, pair)));
        return Expr.Either(Expr.Chars(s_plain), Expr.Join(Expr.Text("\\"), escape));
    });

    /// <summary>A value as compact JSON text.</summary>
    public static string Value(JsonElement value) => JsonSerializer.Serialize(value, SpellingJson.Relaxed.JsonElement);

    public static string Value(string text) => JsonSerializer.Serialize(text, SpellingJson.Relaxed.String);
}
