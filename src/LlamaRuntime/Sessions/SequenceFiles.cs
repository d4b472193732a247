using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Sequence states in files: "FCSQ0002", number of tokens (i32), bytes of state (i64), bytes of the note (i32), the model's fingerprint (32), the note, tokens (i32
/// each), libllama's state, SHA-256 of all before it. Little-endian. libllama's own file functions are not used: they assert on files that are cut off.
/// </summary>
internal sealed unsafe class SequenceFiles(Session session, ContextHandle context, SequenceMemory memory, LlamaModelInfo model, NativeLog log) : ISequenceFiles
{
    private const int HashLength = SHA256.HashSizeInBytes;
    private const int HeaderLength = 8 + sizeof(int) + sizeof(long) + sizeof(int) + HashLength;
    private const int MostNoteBytes = 1 << 16;
    private const int Chunk = 1 << 20;

    private static ReadOnlySpan<byte> Magic => "FCSQ0002"u8;

    public long Save(string path, int sequence, ReadOnlySpan<int> tokens, string note)
    {
        session.RequireOpen();
        ArgumentException.ThrowIfNullOrEmpty(path);
        var notes = Encoding.UTF8.GetBytes(note);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(notes.Length, MostNoteBytes);
        if (memory.LastPosition(sequence) < 0)
            throw new LlamaException(LlamaErrorCode.StateNotSaved, $"Sequence {sequence} is empty: there is nothing to save.");
        using var state = new Block((long)Llama.StateSize(context, sequence));
        if ((long)Llama.StateGet(context, state.Address, (nuint)state.Length, sequence) != state.Length)
            throw new LlamaException(LlamaErrorCode.StateNotSaved, $"llama.cpp does not give the state of sequence {sequence}.");

        var beside = path + ".part";
        try
        {
            using (var file = new FileStream(beside, FileMode.Create, FileAccess.Write))
            {
                using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
                Put(file, hash, Header(tokens.Length, state.Length, notes.Length));
                Put(file, hash, notes);
                Put(file, hash, MemoryMarshal.AsBytes(tokens));
                for (long at = 0; at < state.Length; at += Chunk) Put(file, hash, state.Slice(at));
                file.Write(hash.GetHashAndReset());
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, path, overwrite: true);
            return new FileInfo(path).Length;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Discard(beside);
            throw new LlamaException(LlamaErrorCode.StateNotSaved, $"Sequence {sequence} is not saved to {path}: {failure.Message}", failure);
        }
    }

    public int[] Load(string path, int sequence, Action<string> check)
    {
        session.RequireOpen();
        memory.LastPosition(sequence); // its range is checked before the file is read
        if (!memory.Exists) throw new LlamaException(LlamaErrorCode.StateNotLoaded, "This model keeps no sequences.");
        try
        {
            using var file = File.OpenRead(path);
            return Load(file, path, sequence, check);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new LlamaException(LlamaErrorCode.StateNotLoaded, $"{path} cannot be read: {failure.Message}", failure);
        }
    }

    private int[] Load(FileStream file, string path, int sequence, Action<string> check)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        if (file.ReadAtLeast(header, HeaderLength, throwOnEndOfStream: false) < HeaderLength || !header.StartsWith(Magic))
            throw new LlamaException(LlamaErrorCode.StateNotLoaded, $"{path} is no saved sequence (it does not start with \"{Encoding.ASCII.GetString(Magic)}\").");
        var count = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        var length = BinaryPrimitives.ReadInt64LittleEndian(header[12..]);
        var notes = BinaryPrimitives.ReadInt32LittleEndian(header[20..]);
        if (count < 0 || length < 0 || length > file.Length || notes is < 0 or > MostNoteBytes || file.Length != HeaderLength + notes + (count * (long)sizeof(int)) + length + HashLength)
            throw new LlamaException(LlamaErrorCode.StateNotLoaded, $"{path} has {file.Length} bytes, which is not what its header says: it is cut off or damaged.");
        if (!header[24..].SequenceEqual(Fingerprint()))
            throw new LlamaException(LlamaErrorCode.StateNotLoaded, $"{path} was saved with another model than {model.Path}.");

        var note = new byte[notes];
        var tokens = new int[count];
        using var state = new Block(length);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        Take(file, hash, note);
        Take(file, hash, MemoryMarshal.AsBytes(tokens.AsSpan()));
        for (long at = 0; at < length; at += Chunk) Take(file, hash, state.Slice(at));
        Span<byte> expected = stackalloc byte[HashLength];
        file.ReadExactly(expected);
        if (!expected.SequenceEqual(hash.GetHashAndReset()))
            throw new LlamaException(LlamaErrorCode.StateNotLoaded, $"{path} is damaged: its checksum does not match.");

        check(Encoding.UTF8.GetString(note));
        memory.Remove(sequence, -1, -1);
        session.ForgetOutputs();
        var stamp = log.Stamp;
        if ((long)Llama.StateSet(context, state.Address, (nuint)length, sequence) == length) return tokens;
        memory.Remove(sequence, -1, -1);
        var reason = log.ComplaintsSince(stamp);
        throw new LlamaException(
            LlamaErrorCode.StateNotLoaded,
            $"{path} is not loaded into sequence {sequence}: {(reason.Length == 0 ? "llama.cpp gives no reason" : reason)}. It needs free KV memory and the KV types and flash attention it was saved with.");
    }

    private byte[] Header(int tokens, long state, int notes)
    {
        var header = new byte[HeaderLength];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), tokens);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(12), state);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(20), notes);
        Fingerprint().CopyTo(header.AsSpan(24));
        return header;
    }

    /// <summary>Tells models apart whose states would fit each other's memory; a pruned version is another model.</summary>
    private byte[] Fingerprint() => SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant(
        $"{model.Description}|{model.BlockCount}|{model.EmbeddingLength}|{model.VocabularySize}|{model.ParameterCount}|{model.SizeBytes}")));

    private static void Put(FileStream file, IncrementalHash hash, ReadOnlySpan<byte> bytes)
    {
        hash.AppendData(bytes);
        file.Write(bytes);
    }

    private static void Take(FileStream file, IncrementalHash hash, Span<byte> bytes)
    {
        file.ReadExactly(bytes);
        hash.AppendData(bytes);
    }

    private static void Discard(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // What failed before is what is reported.
        }
    }

    /// <summary>Native memory: a state may be larger than an array can be.</summary>
    private readonly ref struct Block(long length) : IDisposable
    {
        public byte* Address { get; } = (byte*)NativeMemory.Alloc((nuint)Math.Max(length, 1));

        public long Length { get; } = length;

        public Span<byte> Slice(long at) => new(Address + at, (int)Math.Min(Chunk, Length - at));

        public void Dispose() => NativeMemory.Free(Address);
    }
}
