using System.Globalization;

namespace FinerCut.Worker.Gguf;

/// <summary>Byte counts for people: decimal units.</summary>
internal static class Sizes
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB"];

    public static string Text(long bytes)
    {
        double value = bytes;
        var unit = 0;
        for (; value >= 1000 && unit < Units.Length - 1; unit++) value /= 1000;
        return string.Create(CultureInfo.InvariantCulture, $"{(unit == 0 ? $"{bytes}" : $"{value:F1}")} {Units[unit]}");
    }

    /// <exception cref="UsageException">No size.</exception>
    public static long Parse(string text)
    {
        var trimmed = text.Trim().ToUpperInvariant().TrimEnd('B');
        var scale = trimmed.Length == 0 ? 0 : trimmed[^1] switch { 'K' => 1_000L, 'M' => 1_000_000L, 'G' => 1_000_000_000L, 'T' => 1_000_000_000_000L, _ => 1 };
        var number = scale == 1 ? trimmed : trimmed[..Math.Max(0, trimmed.Length - 1)];
        return scale > 0 && decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value > 0 && value * scale is >= 1 and < long.MaxValue
            ? (long)(value * scale)
            : throw new UsageException($"'{text}' is no size. Give bytes, or a number with K, M, G or T: 500M, 1.5G.");
    }
}

/// <summary>Texts that come from a file: they must not write to the terminal what the file likes.</summary>
internal static class Printable
{
    public static string Of(string text, int most = 100)
    {
        var cut = text.Length > most ? text[..most] + "…" : text;
        return cut.Any(char.IsControl) ? string.Concat(cut.Select(c => c == '\n' ? "\\n" : char.IsControl(c) ? $"\\u{(int)c:x4}" : $"{c}")) : cut;
    }
}
