using System.Globalization;
using System.Text.Json.Nodes;

namespace FinerCut.Gateway.Commands;

/// <summary>A budget as one types it: fraction:5%, bytes:20%, bytes:20MB, sublayers:6. Pure.</summary>
public static class BudgetText
{
    private static readonly (string Unit, double Bytes)[] Units = [("GIB", 1 << 30), ("MIB", 1 << 20), ("KIB", 1 << 10), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1), ("", 1)];

    /// <summary>The order's budget; null where the text is none.</summary>
    public static JsonObject? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Split(':') is not [var kind, { Length: > 0 } value]) return null;
        switch (kind)
        {
            case "fraction" or "bytes" when value.EndsWith('%'):
                return Number(value[..^1]) is > 0 and < 100 and var percent ? new JsonObject { ["fraction"] = percent / 100 } : null;
            case "fraction":
                return Number(value) is > 0 and < 1 and var fraction ? new JsonObject { ["fraction"] = fraction } : null;
            case "bytes":
                var (unit, bytes) = Units.First(known => value.EndsWith(known.Unit, StringComparison.OrdinalIgnoreCase));
                return Number(value[..^unit.Length]) * bytes is >= 1 and < 1e15 and var count ? new JsonObject { ["bytes"] = (long)Math.Round(count) } : null;
            case "sublayers":
                return int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var sublayers) && sublayers > 0 ? new JsonObject { ["sublayers"] = sublayers } : null;
            default:
                return null;
        }
    }

    private static double? Number(string text) => double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : null;
}
