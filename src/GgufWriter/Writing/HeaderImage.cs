using System.Buffers.Binary;
using System.Text;

namespace FinerCut.Gguf;

/// <summary>Header, key-values and tensor infos of a plan as bytes, padded to the data section, and the place of every tensor.</summary>
internal sealed class HeaderImage
{
    private HeaderImage(byte[] bytes, int alignment, long fileLength)
    {
        Bytes = bytes;
        Alignment = alignment;
        FileLength = fileLength;
    }

    public byte[] Bytes { get; }

    public int Alignment { get; }

    public long FileLength { get; }

    /// <exception cref="GgufWriteException">The plan would give a file that our own reader refuses.</exception>
    public static HeaderImage Of(GgufEdit edit)
    {
        var alignment = AlignmentOf(edit);
        var bytes = new MemoryStream();
        bytes.Write("GGUF"u8);
        Write(bytes, edit.Version);
        Write(bytes, (long)edit.Tensors.Count);
        Write(bytes, (long)edit.KeyValues.Count);
        foreach (var (key, value) in edit.KeyValues)
        {
            Write(bytes, key);
            if (value.IsArray) Write(bytes, (uint)GgufValueType.Array);
            Write(bytes, (uint)value.ElementType);
            if (value.IsArray) Write(bytes, value.Count);
            if (bytes.Length + value.Encoded.Length > int.MaxValue) throw Invalid("the metadata has more than 2 GiB");
            bytes.Write(value.Encoded.Span);
        }
        long offset = 0;
        foreach (var tensor in edit.Tensors)
        {
            Write(bytes, tensor.Name);
            Write(bytes, (uint)tensor.Shape.Length);
            foreach (var dimension in tensor.Shape) Write(bytes, dimension);
            Write(bytes, (uint)tensor.Type);
            Write(bytes, offset);
            if (tensor.Content.Length > long.MaxValue / 2 - offset - alignment) throw Invalid("the tensors have more than 2^62 bytes");
            offset += (tensor.Content.Length + alignment - 1) / alignment * alignment;
        }
        if (edit.Tensors.Count > 0) bytes.SetLength((bytes.Length + alignment - 1) / alignment * alignment);
        var image = new HeaderImage(bytes.ToArray(), alignment, bytes.Length + offset);
        try
        {
            GgufModel.Parse(image.Bytes, image.FileLength);
        }
        catch (GgufException e)
        {
            throw new GgufWriteException(GgufWriteCause.PlanInvalid, e.Defect.Name, e.Defect.ToString(), e);
        }
        return image;
    }

    private static int AlignmentOf(GgufEdit edit)
    {
        if (edit.Find(GgufKeys.Alignment) is not { } value) return MetadataParser.DefaultAlignment;
        if (value.IsArray || value.ElementType != GgufValueType.UInt32) throw Invalid($"{GgufKeys.Alignment} is {value.TypeName}, it must be u32");
        var alignment = value.Get<uint>();
        return alignment is >= MetadataParser.MinAlignment and <= MetadataParser.MaxAlignment && uint.IsPow2(alignment)
            ? (int)alignment
            : throw Invalid($"{GgufKeys.Alignment} is {alignment}; it must be a power of two from {MetadataParser.MinAlignment} to {MetadataParser.MaxAlignment}");
    }

    private static GgufWriteException Invalid(string message) => new(GgufWriteCause.PlanInvalid, null, message);

    private static void Write(MemoryStream bytes, uint value)
    {
        Span<byte> encoded = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(encoded, value);
        bytes.Write(encoded);
    }

    private static void Write(MemoryStream bytes, long value)
    {
        Span<byte> encoded = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(encoded, value);
        bytes.Write(encoded);
    }

    private static void Write(MemoryStream bytes, string text)
    {
        var encoded = Encoding.UTF8.GetBytes(text);
        Write(bytes, (long)encoded.Length);
        bytes.Write(encoded);
    }
}
