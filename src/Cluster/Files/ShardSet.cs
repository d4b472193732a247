using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using FinerCut.Cluster.Models;

namespace FinerCut.Cluster.Files;

/// <summary>The files of a model, one or several that are named as llama.cpp names those of a split model.</summary>
internal static partial class ShardSet
{
    /// <summary>All files of the model whose (first) file is given, in their order; whether they are there is not looked at.</summary>
    public static string[] PathsOf(string path)
    {
        var match = First().Match(path);
        var count = match.Success ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : 1;
        if (count < 2) return [path];
        return [.. Enumerable.Range(0, count).Select(number => match.Groups[1].Value + Suffix(number, count))];
    }

    /// <summary>What a fetched shard is called in the folder of its set.</summary>
    public static string NameOf(int number, int count) => "model" + Suffix(number, count);

    /// <summary>One hash for the whole: of one file its own, of several the hash of their hashes.</summary>
    public static string HashOf(IReadOnlyList<FilePart> parts) => parts.Count == 1
        ? parts[0].Sha256
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(parts.Select(part => part.Sha256)))));

    private static string Suffix(int number, int count) => string.Create(CultureInfo.InvariantCulture, $"-{number + 1:D5}-of-{count:D5}.gguf");

    [GeneratedRegex(@"^(.+)-00001-of-([0-9]{5})\.gguf$", RegexOptions.CultureInvariant)]
    private static partial Regex First();
}
