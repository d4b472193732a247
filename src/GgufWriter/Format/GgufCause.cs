namespace FinerCut.Gguf;

/// <summary>What is wrong with a file: one cause a defect, stable names (they appear in JSON).</summary>
public enum GgufCause
{
    /// <summary>The first four bytes are not "GGUF".</summary>
    NotGguf,
    /// <summary>The file ends inside the header, a key-value or a tensor info.</summary>
    Truncated,
    /// <summary>Version 0, 1 or one of the future.</summary>
    VersionUnsupported,
    /// <summary>Written for a big-endian machine.</summary>
    BigEndian,
    TensorCountInvalid,
    KeyCountInvalid,
    /// <summary>Header, key-values and tensor infos do not fit in 2 GiB.</summary>
    MetadataTooLarge,
    KeyEmpty,
    KeyTooLong,
    /// <summary>Not UTF-8, or with a NUL.</summary>
    KeyInvalid,
    KeyDuplicate,
    ValueTypeUnknown,
    ArrayNested,
    ArrayPastEnd,
    ArrayTooLong,
    StringPastEnd,
    StringTooLong,
    BoolInvalid,
    /// <summary>general.alignment is no power of two from 8 to 1 MiB.</summary>
    AlignmentInvalid,
    AlignmentType,
    TensorNameInvalid,
    TensorDuplicate,
    DimensionCountInvalid,
    DimensionInvalid,
    ElementCountOverflow,
    TensorTypeUnknown,
    RowNotWholeBlocks,
    ByteCountOverflow,
    OffsetMisaligned,
    /// <summary>The data begins inside another tensor's.</summary>
    TensorOverlap,
    /// <summary>The data begins later than the tensors before it end; llama.cpp refuses gaps.</summary>
    OffsetUnexpected,
    TensorPastEnd,
    /// <summary>Padded sizes of all tensors do not fit in 63 bits.</summary>
    DataSizeOverflow,
    /// <summary>Bytes after the last tensor that nothing announces. Harmless to llama.cpp; reported by checks only.</summary>
    TrailingBytes,

    // Beyond the container: the model in it.
    KeyMissing,
    ValueTypeWrong,
    ValueOutOfRange,
    ArrayLengthWrong,
    TensorMissing,
    TensorShapeWrong,
    /// <summary>A tensor of a block that block_count does not count.</summary>
    TensorUnexpected,
    TokenIdOutOfRange,
    TokenTextInvalid,

    // Split files.
    ShardNameInvalid,
    ShardMissing,
    ShardNumberWrong,
    ShardCountWrong,
    ShardTensorCountWrong,

    /// <summary>The file cannot be opened or read.</summary>
    Unreadable,
}

/// <param name="Cause">What kind of defect.</param>
/// <param name="Offset">Byte offset in the file where it shows, null where it has no place.</param>
/// <param name="Name">Key or tensor name, null where there is none yet.</param>
/// <param name="Found">What is there.</param>
/// <param name="Expected">What would be right.</param>
public sealed record GgufDefect(GgufCause Cause, long? Offset, string? Name, string Found, string Expected)
{
    public override string ToString() =>
        $"{Cause}{(Name is null ? "" : $" '{Printable(Name)}'")}{(Offset is null ? "" : $" at byte {Offset}")}: {Found}; expected {Expected}";

    // Names come from the file: control characters would let it write to the reader's terminal or log.
    private static string Printable(string name)
    {
        var text = name.Length > 120 ? name[..120] + "..." : name;
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString())) : text;
    }
}

/// <summary>A file that is no sound GGUF. <see cref="Defect"/> says where and why.</summary>
public sealed class GgufException : Exception
{
    public GgufException(GgufDefect defect, string? path = null, Exception? inner = null)
        : base(path is null ? defect.ToString() : $"{path}: {defect}", inner)
    {
        Defect = defect;
        Path = path;
    }

    public GgufDefect Defect { get; }

    public GgufCause Cause => Defect.Cause;

    public string? Path { get; }
}
