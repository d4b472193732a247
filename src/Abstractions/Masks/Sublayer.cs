using System.Globalization;

namespace FinerCut.Masks;

public enum SublayerKind { Attention, Ffn }

/// <summary>The attention or the FFN of a block: one addition to the residual stream. Written attn:3 or ffn:7.</summary>
public readonly record struct Sublayer(int Block, SublayerKind Kind) : IComparable<Sublayer>
{
    /// <summary>Place in the residual stream: attention of block b is 2b, its FFN 2b+1.</summary>
    public int Order => (2 * Block) + (int)Kind;

    public static Sublayer FromOrder(int order) => new(order / 2, (SublayerKind)(order % 2));

    public int CompareTo(Sublayer other) => Order.CompareTo(other.Order);

    public override string ToString() => (Kind == SublayerKind.Attention ? "attn:" : "ffn:") + Block.ToString(CultureInfo.InvariantCulture);

    public static bool TryParse(string? text, out Sublayer sublayer)
    {
        sublayer = default;
        var colon = text?.IndexOf(':') ?? -1;
        if (colon < 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var block)) return false;
        switch (text![..colon])
        {
            case "attn": sublayer = new Sublayer(block, SublayerKind.Attention); return true;
            case "ffn": sublayer = new Sublayer(block, SublayerKind.Ffn); return true;
            default: return false;
        }
    }

    public static bool operator <(Sublayer left, Sublayer right) => left.CompareTo(right) < 0;

    public static bool operator >(Sublayer left, Sublayer right) => left.CompareTo(right) > 0;

    public static bool operator <=(Sublayer left, Sublayer right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Sublayer left, Sublayer right) => left.CompareTo(right) >= 0;
}

/// <summary>
/// The smallest removable part: the <paramref name="Index"/>-th set of KV-head groups of an attention, or of channel blocks of an FFN
/// (<see cref="UnitMap"/> says which). Written attn:5/kv1 or ffn:6/slice0.
/// </summary>
public readonly record struct Unit(Sublayer Sublayer, int Index)
{
    public override string ToString() => $"{Sublayer}/{(Sublayer.Kind == SublayerKind.Attention ? "kv" : "slice")}{Index.ToString(CultureInfo.InvariantCulture)}";
}
