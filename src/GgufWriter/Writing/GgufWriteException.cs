namespace FinerCut.Gguf;

public enum GgufWriteCause
{
    /// <summary>Not enough space for the new file; nothing was changed.</summary>
    DiskFull,
    /// <summary>The folder is missing, read-only or forbidden.</summary>
    NotWritable,
    /// <summary>The plan would give a file that no reader takes.</summary>
    PlanInvalid,
    ContentLength,
    RangeInvalid,
    ColumnsMisaligned,
    KeyMissing,
    TensorMissing,
    Duplicate,
    /// <summary>A number that the tensor's type cannot hold.</summary>
    ValueUnfit,
    /// <summary>A source file was changed or shortened while it was copied.</summary>
    SourceChanged,
    /// <summary>What was read back is not what was planned.</summary>
    ReadBack,
}

/// <summary>A file that was not written. The target is as it was before.</summary>
public sealed class GgufWriteException(GgufWriteCause cause, string? name, string message, Exception? inner = null)
    : Exception(name is null ? $"{cause}: {message}" : $"{cause} '{name}': {message}", inner)
{
    public GgufWriteCause Cause { get; } = cause;

    /// <summary>Path, key or tensor.</summary>
    public string? Name { get; } = name;
}
