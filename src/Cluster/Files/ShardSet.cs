using System.Security.Cryptography;
using System.Text;
using FinerCut.Cluster.Models;
using FinerCut.Gguf;

namespace FinerCut.Cluster.Files;

/// <summary>The files of a model, one or several that are named as llama.cpp names those of a split model.</summary>
internal static class ShardSet
{
    /// <summary>All files of the model whose (first) file is given, in their order; whether they are there is not looked at.</summary>
    public static string[] PathsOf(string path) =>
        GgufShardName.TryOf(path) is { Number: 0 } first ? [.. Enumerable.Range(0, first.Count).Select(first.PathOf)] : [path];

    /// <summary>What a fetched shard is called in the folder of its set.</summary>
    public static string NameOf(int number, int count) => new GgufShardName("", "model", number, count).Path;

    /// <summary>One hash for the whole: of one file its own, of several the hash of their hashes.</summary>
    public static string HashOf(IReadOnlyList<FilePart> parts) => parts.Count == 1
        ? parts[0].Sha256
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(parts.Select(part => part.Sha256)))));
}
