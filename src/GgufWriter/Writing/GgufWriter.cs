using Microsoft.Win32.SafeHandles;

namespace FinerCut.Gguf;

/// <param name="BytesDone">Bytes written.</param>
/// <param name="BytesTotal">Bytes of the whole file.</param>
public readonly record struct GgufProgress(long BytesDone, long BytesTotal);

/// <param name="Path">The file written.</param>
/// <param name="Bytes">Its length.</param>
public sealed record GgufWritten(string Path, long Bytes);

/// <summary>
/// Writes plans as files. A file is written beside its target, synced, read back and checked, then renamed over it: at any moment, also after a
/// crash, the target is the old file or the new one. The same plan gives the same bytes. Memory stays below 100 MB at any size.
/// </summary>
public static class GgufWriter
{
    /// <summary>Writes the file; the target may be one of the sources.</summary>
    /// <exception cref="GgufWriteException">It was not written; the target is as before.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the target is as before.</exception>
    public static GgufWritten Write(GgufEdit edit, string path, IProgress<GgufProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var header = HeaderImage.Of(edit);
        path = Path.GetFullPath(path);
        PartialFile.RemoveStale(path);
        var partial = PartialFile.NameFor(path);
        try
        {
            using (var handle = PartialFile.Create(partial, path, header.FileLength))
            {
                WriteAll(edit, header, handle, progress, cancellationToken);
                RandomAccess.FlushToDisk(handle);
            }
            ReadBack(edit, header, partial);
            cancellationToken.ThrowIfCancellationRequested();
            File.Move(partial, path, overwrite: true);
            Posix.SyncFolder(Path.GetDirectoryName(path)!);
        }
        catch (Exception e)
        {
            PartialFile.Remove(partial);
            if (e is IOException or UnauthorizedAccessException) throw PartialFile.Explain(e, path, header.FileLength);
            throw;
        }
        return new(path, header.FileLength);
    }

    private static void WriteAll(GgufEdit edit, HeaderImage header, SafeFileHandle handle, IProgress<GgufProgress>? progress, CancellationToken cancellationToken)
    {
        var output = new GgufOutput(handle, done => progress?.Report(new(done, header.FileLength)), cancellationToken);
        output.Write(header.Bytes);
        foreach (var tensor in edit.Tensors)
        {
            var start = output.Position;
            tensor.Content.CopyTo(output);
            if (output.Position - start != tensor.Content.Length)
            {
                throw new GgufWriteException(GgufWriteCause.ContentLength, tensor.Name, $"{output.Position - start} bytes were given, {tensor.Content.Length} announced");
            }
            output.Pad(header.Alignment);
        }
        output.Flush();
    }

    private static void ReadBack(GgufEdit edit, HeaderImage header, string partial)
    {
        using var file = OpenAgain(partial);
        var same = file.Length == header.FileLength && file.Model.KeyValues.SequenceEqual(edit.KeyValues) && file.Model.Tensors.Length == edit.Tensors.Count;
        for (var i = 0; same && i < edit.Tensors.Count; i++)
        {
            var (read, planned) = (file.Model.Tensors[i], edit.Tensors[i]);
            same = read.Name == planned.Name && read.Type == planned.Type && read.Shape.SequenceEqual(planned.Shape) && read.ByteCount == planned.Content.Length;
        }
        if (!same) throw new GgufWriteException(GgufWriteCause.ReadBack, partial, "the metadata read back differ from what was written; is the disk sound?");
    }

    private static GgufFile OpenAgain(string partial)
    {
        try
        {
            return GgufFile.Open(partial);
        }
        catch (GgufException e)
        {
            throw new GgufWriteException(GgufWriteCause.ReadBack, partial, $"what was written cannot be read again: {e.Defect}", e);
        }
    }
}
