using System.Globalization;
using System.Text.RegularExpressions;
using FinerCut.Masks;

namespace FinerCut.Worker.Gguf;

/// <summary>attn:3,ffn:7-9,block:4,attn:5/kv1,ffn:6/slice0-3 as a mask.</summary>
public static partial class DropList
{
    /// <exception cref="UsageException">A part cannot be read, or the model has no such unit.</exception>
    public static CutMask Parse(string text, UnitMap units)
    {
        var mask = CutMask.None(units);
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var match = Pattern().Match(part);
            if (!match.Success || (match.Groups["kind"].Value == "block" && match.Groups["unit"].Success))
            {
                throw new UsageException($"'{part}' is no part of a model. Give attn:3, ffn:7-9, block:4, attn:5/kv1 or ffn:6/slice0-3, with commas between.");
            }
            if (match.Groups["kind"].Value == "block")
            {
                foreach (var block in Range(match, "first", "last", part)) mask = WithoutBlock(mask, block, part);
                continue;
            }
            var kind = match.Groups["kind"].Value == "attn" ? SublayerKind.Attention : SublayerKind.Ffn;
            if (match.Groups["unit"].Success && match.Groups["unit"].Value != (kind == SublayerKind.Attention ? "kv" : "slice"))
            {
                throw new UsageException($"'{part}': attention has units kv0, kv1 ..., an FFN slice0, slice1 ...");
            }
            foreach (var block in Range(match, "first", "last", part)) mask = Without(mask, new(block, kind), match, part);
        }
        return mask.IsEmpty ? throw new UsageException("Nothing to drop. Give for example --drop attn:3,ffn:7-9.") : mask;
    }

    private static CutMask WithoutBlock(CutMask mask, int block, string part)
    {
        Sublayer[] sublayers = [.. mask.Units.Shape.Sublayers().Where(sublayer => sublayer.Block == block)];
        return sublayers.Length > 0 ? mask.With(sublayers) : throw new UsageException($"'{part}': the model has no block {block} that can go; its blocks are 0 to {mask.Units.Shape.Blocks.Length - 1}.");
    }

    private static CutMask Without(CutMask mask, Sublayer sublayer, Match match, string part)
    {
        var units = mask.Units;
        if (sublayer.Block >= units.Shape.Blocks.Length || units.RangeOf(sublayer) is var (start, end) && start == end)
        {
            throw new UsageException($"'{part}': the model has no {sublayer}; its blocks are 0 to {units.Shape.Blocks.Length - 1}.");
        }
        if (!match.Groups["unit"].Success) return mask.With(sublayer);
        var count = units.Parts[sublayer.Order].Length;
        foreach (var index in Range(match, "firstUnit", "lastUnit", part))
        {
            if (index >= count) throw new UsageException($"'{part}': the units of {sublayer} are {new Unit(sublayer, 0)} to {new Unit(sublayer, count - 1)}.");
            mask = mask.With(new Unit(sublayer, index));
        }
        return mask;
    }

    private static IEnumerable<int> Range(Match match, string first, string last, string part)
    {
        var from = int.Parse(match.Groups[first].ValueSpan, CultureInfo.InvariantCulture);
        var to = match.Groups[last].Success ? int.Parse(match.Groups[last].ValueSpan, CultureInfo.InvariantCulture) : from;
        return to >= from ? Enumerable.Range(from, to - from + 1) : throw new UsageException($"'{part}': {from} to {to} is no range.");
    }

    [GeneratedRegex("^(?<kind>attn|ffn|block):(?<first>[0-9]{1,4})(-(?<last>[0-9]{1,4}))?(/(?<unit>kv|slice)(?<firstUnit>[0-9]{1,4})(-(?<lastUnit>[0-9]{1,4}))?)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
