using System.Collections.Immutable;
using System.Text;
using FinerCut.Masks;

namespace FinerCut.Gateway.Demo;

/// <summary>Which sublayers went, as two rows over the blocks: ■ kept, ▪ partly removed, · removed.</summary>
public static class SublayerPicture
{
    public static ImmutableArray<string> Draw(int blocks, IEnumerable<string> removed)
    {
        var gone = new HashSet<Sublayer>();
        var touched = new HashSet<Sublayer>();
        foreach (var name in removed)
        {
            var slash = name.IndexOf('/', StringComparison.Ordinal);
            if (Sublayer.TryParse(slash < 0 ? name : name[..slash], out var sublayer)) (slash < 0 ? gone : touched).Add(sublayer);
        }

        return [Ruler(blocks), Row("attention ", SublayerKind.Attention), Row("FFN       ", SublayerKind.Ffn), "          ■ kept  ▪ partly removed  · removed"];

        string Row(string head, SublayerKind kind) => head + string.Concat(Enumerable.Range(0, blocks).Select(block => new Sublayer(block, kind))
            .Select(sublayer => gone.Contains(sublayer) ? '·' : touched.Contains(sublayer) ? '▪' : '■'));
    }

    /// <summary>A number every five blocks, where it has room.</summary>
    private static string Ruler(int blocks)
    {
        var row = new StringBuilder("block     ");
        for (var block = 0; block < blocks; block += 5) row.Append($"{block,-5}");
        return row.ToString().TrimEnd();
    }
}
