using System.Collections.Frozen;
using System.IO.Compression;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace FinerCut.Gateway.Ui;

/// <summary>One file of the pages, whole and as gzip.</summary>
/// <param name="Tag">Quoted hash of the content, for If-None-Match.</param>
public sealed record UiAsset(byte[] Content, byte[] Gzip, string ContentType, string Tag);

/// <summary>The pages and their libraries, out of this assembly. Immutable; read once at start.</summary>
public sealed partial class UiAssets
{
    private const string Prefix = "ui/";

    private static readonly FrozenDictionary<string, string> Types = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".mjs"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private readonly FrozenDictionary<string, UiAsset> _assets;

    private UiAssets(FrozenDictionary<string, UiAsset> assets, string policy) => (_assets, ContentSecurityPolicy) = (assets, policy);

    /// <summary>Scripts and styles of this origin only, and the import maps that the pages carry inline, by their hashes.</summary>
    public string ContentSecurityPolicy { get; }

    public IEnumerable<string> Names => _assets.Keys;

    public UiAsset? Find(string name) => _assets.GetValueOrDefault(name);

    public static UiAssets Load()
    {
        var assembly = typeof(UiAssets).Assembly;
        var assets = assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToFrozenDictionary(name => name[Prefix.Length..], name => Read(assembly, name), StringComparer.Ordinal);
        var inline = assets.Values.Where(asset => asset.ContentType.StartsWith("text/html", StringComparison.Ordinal))
            .SelectMany(page => InlineScript().Matches(Encoding.UTF8.GetString(page.Content)))
            .Select(script => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script.Groups[1].Value)))}'")
            .Distinct().Order(StringComparer.Ordinal);
        return new UiAssets(
            assets,
            $"default-src 'none'; script-src 'self' {string.Join(' ', inline)}; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    }

    private static UiAsset Read(Assembly assembly, string name)
    {
        using var stream = assembly.GetManifestResourceStream(name)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize)) gzip.Write(content);
        return new UiAsset(content, packed.ToArray(), Types[Path.GetExtension(name)], $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}\"");
    }

    [GeneratedRegex("<script type=\"importmap\">(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex InlineScript();
}
