namespace FinerCut.Gguf;

/// <param name="Path">The file.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Model">What could be read of it; complete only without defects. Its lazy values are not to be read any more.</param>
/// <param name="Defects">Everything that is wrong, in file order; container first, then the model in it.</param>
public sealed record GgufReport(string Path, long Length, GgufModel Model, IReadOnlyList<GgufDefect> Defects)
{
    public bool IsSound => Defects.Count == 0;
}

/// <summary>Tells everything that is wrong with a file at once, where opening it tells the first only.</summary>
public static class GgufCheck
{
    /// <summary>A hostile file could have as many defects as bytes; nobody reads more than these.</summary>
    public const int MaxDefects = 1000;

    /// <summary>
    /// Checks the container and the model in it: keys, per-layer arrays, tensors and shapes of the architectures that we rewrite, vocabulary.
    /// Of a split model give the first shard; the others are checked with it.
    /// </summary>
    /// <exception cref="GgufException">The file cannot be read at all (cause <see cref="GgufCause.Unreadable"/>) or is empty.</exception>
    public static GgufReport Check(string path) => GgufFile.Inspect(path, (model, defects, length) =>
    {
        var container = defects.Count;
        if (model.Find(GgufKeys.SplitCount) is { } count && !(count.IsInteger && count.ToString() is "0" or "1"))
        {
            ShardCheck.Check(path, model, defects);
        }
        else if (container == 0 || model.Tensors.Length > 0)
        {
            CheckModel(model, model.Tensors, defects);
        }
        return new GgufReport(path, length, model, [.. defects.Take(MaxDefects)]);
    });

    /// <summary>All defects of a file that lies in memory; shards of a split model are checked on their own.</summary>
    public static IReadOnlyList<GgufDefect> Check(ReadOnlyMemory<byte> file)
    {
        var defects = new List<GgufDefect>();
        var model = MetadataParser.Parse(file, file.Length, defects);
        CheckModel(model, model.Tensors, defects);
        return [.. defects.Take(MaxDefects)];
    }

    internal static void CheckModel(GgufModel model, IReadOnlyList<GgufTensorInfo> tensors, IList<GgufDefect> defects)
    {
        new ModelCheck(model, tensors, defects).Run();
        new TokenizerCheck(model, tensors, defects).Run();
    }
}
