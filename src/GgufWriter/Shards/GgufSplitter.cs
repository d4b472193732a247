namespace FinerCut.Gguf;

/// <summary>Writes one plan as several files, each within a size, as llama.cpp's gguf-split names and numbers them.</summary>
public static class GgufSplitter
{
    /// <summary>
    /// Writes PREFIX-00001-of-0000N.gguf and so on. The first shard, which has all metadata, is written last: until then the set is visibly incomplete.
    /// A shard exceeds <paramref name="maxBytes"/> only where one tensor or the metadata alone does.
    /// </summary>
    /// <exception cref="GgufWriteException">Nothing stays of the set; or a file of it exists already.</exception>
    public static IReadOnlyList<GgufWritten> Write(GgufEdit edit, string prefix, long maxBytes, IProgress<GgufProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        prefix = Path.GetFullPath(prefix);
        var groups = Group(edit, maxBytes);
        if (groups.Count > GgufShardName.MaxCount)
        {
            throw new GgufWriteException(GgufWriteCause.PlanInvalid, prefix, $"{groups.Count} shards of {maxBytes} bytes; at most {GgufShardName.MaxCount}, so allow more bytes");
        }
        var name = new GgufShardName(Path.GetDirectoryName(prefix)!, Path.GetFileName(prefix), 0, groups.Count);
        var shards = groups.Select((tensors, number) => Shard(edit, tensors, number, groups.Count)).ToList();
        for (var number = 0; number < shards.Count; number++)
        {
            if (File.Exists(name.PathOf(number))) throw new GgufWriteException(GgufWriteCause.Duplicate, name.PathOf(number), "the file exists; sets of shards are not replaced, remove it first");
        }
        var written = new GgufWritten[shards.Count];
        var total = shards.Sum(shard => HeaderImage.Of(shard).FileLength);
        long done = 0;
        try
        {
            foreach (var number in Enumerable.Range(1, shards.Count - 1).Append(0))
            {
                var before = done;
                written[number] = GgufWriter.Write(shards[number], name.PathOf(number), new Shifted(progress, before, total), cancellationToken);
                done += written[number].Bytes;
            }
        }
        catch
        {
            foreach (var shard in written) if (shard is not null) PartialFile.Remove(shard.Path);
            throw;
        }
        return written;
    }

    private static List<List<GgufTensorPlan>> Group(GgufEdit edit, long maxBytes)
    {
        var metadata = HeaderImage.Of(Shard(edit, [], 0, 1));
        var groups = new List<List<GgufTensorPlan>> { new() };
        var size = metadata.FileLength;
        foreach (var tensor in edit.Tensors)
        {
            // Its bytes, its padding and a generous place for its tensor info.
            var bytes = tensor.Content.Length + MetadataParser.MaxTensorNameBytes + 64 + (2L * metadata.Alignment);
            if (groups[^1].Count > 0 && size > maxBytes - bytes)
            {
                groups.Add([]);
                size = 256;
            }
            groups[^1].Add(tensor);
            size += bytes;
        }
        return groups;
    }

    private static GgufEdit Shard(GgufEdit edit, List<GgufTensorPlan> tensors, int number, int count)
    {
        var shard = new GgufEdit { Version = edit.Version };
        foreach (var (key, value) in edit.KeyValues)
        {
            // Readers of any shard need the alignment; everything else stands in the first.
            if (number == 0 || key == GgufKeys.Alignment) shard.Set(key, value);
        }
        shard.Set(GgufKeys.SplitNumber, GgufValue.Of((ushort)number)).Set(GgufKeys.SplitCount, GgufValue.Of((ushort)count))
            .Set(GgufKeys.SplitTensorCount, edit.Tensors.Count);
        foreach (var tensor in tensors) shard.Add(tensor);
        return shard;
    }

    private sealed class Shifted(IProgress<GgufProgress>? progress, long before, long total) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => progress?.Report(new(before + value.BytesDone, total));
    }
}
