using System.Globalization;

namespace FinerCut.Jobs;

/// <summary>
/// A budget as one types it: parts with commas between them, each of them once. fraction:5%, bytes:20%, bytes:20MB, sublayers:6, kv:25%, kv:1536,
/// decode:10%, decode:0.5ms, context:2048 (where decode steps are measured), leanest. Pure.
/// </summary>
public static class PruneBudgetText
{
    public const string Forms = "fraction:5%, bytes:20MB, sublayers:6, kv:25%, kv:1536 (bytes a token), decode:10%, decode:0.5ms, context:2048 or leanest, several with commas between them";

    private static readonly (string Unit, double Bytes)[] Units = [("GIB", 1 << 30), ("MIB", 1 << 20), ("KIB", 1 << 10), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1), ("", 1)];

    /// <summary>Null where the text is no budget.</summary>
    public static PruneBudget? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var budget = new PruneBudget();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var part in text.Split(','))
        {
            var (kind, value) = part.Split(':') switch
            {
                ["leanest"] => ("leanest", ""),
                [var name, { Length: > 0 } amount] => (name.Trim(), amount.Trim()),
                _ => ("", ""),
            };
            if (!seen.Add(kind is "bytes" ? "fraction" : kind) || With(budget, kind, value) is not { } more) return null;
            budget = more;
        }

        // A context alone asks for nothing.
        return budget == new PruneBudget { DecodeContext = budget.DecodeContext } ? null : budget;
    }

    private static PruneBudget? With(PruneBudget budget, string kind, string value)
    {
        var percent = value.EndsWith('%') ? Number(value[..^1]) / 100 : null;
        switch (kind)
        {
            case "leanest":
                return value.Length == 0 ? budget with { Leanest = true } : null;
            case "fraction" or "bytes" when value.EndsWith('%'):
                return percent is > 0 and < 1 ? budget with { Fraction = percent } : null;
            case "fraction":
                return Number(value) is > 0 and < 1 and var fraction ? budget with { Fraction = fraction } : null;
            case "bytes":
                return Bytes(value) is { } bytes ? budget with { Bytes = bytes } : null;
            case "sublayers":
                return Whole(value) is > 0 and var sublayers ? budget with { Sublayers = sublayers } : null;
            case "kv" when value.EndsWith('%'):
                return percent is > 0 and <= 1 ? budget with { KvFraction = percent } : null;
            case "kv":
                return Bytes(value) is { } kv ? budget with { KvBytes = kv } : null;
            case "decode" when value.EndsWith('%'):
                return percent is > 0 and < 1 ? budget with { DecodeFraction = percent } : null;
            case "decode" when value.EndsWith("ms", StringComparison.OrdinalIgnoreCase):
                return Number(value[..^2]) is > 0 and < 1e6 and var ms ? budget with { DecodeMs = ms } : null;
            case "context":
                return Whole(value) is > 0 and <= 1_000_000 and var context ? budget with { DecodeContext = context } : null;
            default:
                return null;
        }
    }

    /// <summary>A number of bytes, such as 20MB, 1.5 GiB or 512; null where the text is none.</summary>
    public static long? Bytes(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        var (unit, bytes) = Units.First(known => value.EndsWith(known.Unit, StringComparison.OrdinalIgnoreCase));
        return Number(value[..^unit.Length]) * bytes is >= 1 and < 1e15 and var count ? (long)Math.Round(count) : null;
    }

    private static int? Whole(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static double? Number(string text) => double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : null;
}
