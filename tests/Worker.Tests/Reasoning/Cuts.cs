namespace FinerCut.Tests.Reasoning;

/// <summary>Ways of cutting a text into the pieces of a stream.</summary>
internal static class Cuts
{
    private const int ExhaustiveLength = 11;

    /// <summary>All ways for short texts; for longer ones whole, letter by letter, every cut into two, every cut into three and seeded ones.</summary>
    public static IEnumerable<IReadOnlyList<string>> Of(string text)
    {
        if (text.Length <= ExhaustiveLength)
        {
            for (var bits = 0; bits < 1 << Math.Max(0, text.Length - 1); bits++) yield return ByBits(text, bits);
            yield break;
        }

        yield return [text];
        yield return [.. text.Select(letter => letter.ToString())];
        for (var i = 1; i < text.Length; i++) yield return [text[..i], text[i..]];
        var step = Math.Max(1, text.Length / 40);
        for (var i = 1; i < text.Length - 1; i += step)
        {
            for (var j = i + 1; j < text.Length; j += step) yield return [text[..i], text[i..j], text[j..]];
        }

        for (var seed = 0; seed < 20; seed++) yield return Random(text, new Random(seed));
    }

    private static List<string> ByBits(string text, int bits)
    {
        var pieces = new List<string>();
        var start = 0;
        for (var i = 1; i < text.Length; i++)
        {
            if ((bits >> (i - 1) & 1) == 0) continue;
            pieces.Add(text[start..i]);
            start = i;
        }

        pieces.Add(text[start..]);
        return pieces;
    }

    private static List<string> Random(string text, Random random)
    {
        var pieces = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var length = Math.Min(text.Length - at, random.Next(1, 8));
            pieces.Add(text.Substring(at, length));
            at += length;
        }

        return pieces;
    }
}
