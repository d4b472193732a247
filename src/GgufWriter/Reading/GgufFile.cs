using Microsoft.Win32.SafeHandles;

namespace FinerCut.Gguf;

/// <summary>
/// An open, mapped and checked GGUF file of version 2 or 3, little-endian. Opening reads the metadata only. Thread-safe;
/// spans and lazy values must not be used after <see cref="Dispose"/>, which no other thread may call meanwhile.
/// </summary>
public sealed class GgufFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly MappedBytes _bytes;

    private GgufFile(string path, FileStream stream, MappedBytes bytes, GgufModel model)
    {
        Path = path;
        _stream = stream;
        _bytes = bytes;
        Model = model;
        Length = stream.Length;
    }

    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    public GgufModel Model { get; }

    internal SafeFileHandle Handle => _stream.SafeFileHandle;

    /// <summary>Opens and checks: every length, count and offset of the metadata fits the file, every tensor lies wholly in it.</summary>
    /// <exception cref="GgufException">Not a sound GGUF, or not readable (cause <see cref="GgufCause.Unreadable"/>).</exception>
    public static GgufFile Open(string path)
    {
        var (stream, bytes) = Map(path);
        try
        {
            return new(path, stream, bytes, MetadataParser.Parse(bytes.Memory, stream.Length, null));
        }
        catch (GgufException e)
        {
            Close(stream, bytes);
            throw new GgufException(e.Defect, path, e.InnerException);
        }
        catch
        {
            Close(stream, bytes);
            throw;
        }
    }

    /// <summary>The tensor's data, zero-copy.</summary>
    /// <exception cref="ArgumentException">The tensor has 2 GiB or more: ask for parts.</exception>
    public ReadOnlySpan<byte> Data(GgufTensorInfo tensor)
    {
        if (tensor.ByteCount > int.MaxValue) throw new ArgumentException($"{tensor.Name} has {tensor.ByteCount} bytes: ask for parts of it.", nameof(tensor));
        return Data(tensor, 0, (int)tensor.ByteCount);
    }

    /// <summary>Part of the tensor's data, zero-copy.</summary>
    public ReadOnlySpan<byte> Data(GgufTensorInfo tensor, long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, tensor.ByteCount - length);
        return _bytes.Slice(Model.DataOffset + tensor.Offset + offset, length);
    }

    public void Dispose() => Close(_stream, _bytes);

    /// <summary>All defects of a file that may be broken, and what could be read of it.</summary>
    internal static T Inspect<T>(string path, Func<GgufModel, IList<GgufDefect>, long, T> look)
    {
        var (stream, bytes) = Map(path);
        try
        {
            var defects = new List<GgufDefect>();
            return look(MetadataParser.Parse(bytes.Memory, stream.Length, defects), defects, stream.Length);
        }
        finally
        {
            Close(stream, bytes);
        }
    }

    private static (FileStream Stream, MappedBytes Bytes) Map(string path)
    {
        FileStream? stream = null;
        try
        {
            // Shared with writers and movers: a rename over an open file leaves this one intact.
            stream = new(path, new FileStreamOptions { Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0 });
            if (stream.Length == 0) throw new GgufException(new(GgufCause.NotGguf, 0, null, "an empty file", "the four letters GGUF"), path);
            return (stream, new(stream, stream.Length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            stream?.Dispose();
            throw new GgufException(new(GgufCause.Unreadable, null, null, e.Message, "a readable file"), path, e);
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }

    private static void Close(FileStream stream, MappedBytes bytes)
    {
        ((IDisposable)bytes).Dispose();
        stream.Dispose();
    }
}
