using System.Collections.Immutable;

namespace FinerCut.Gguf;

/// <summary>A tensor as announced in the metadata; checked, so its data lies wholly in the file.</summary>
/// <param name="Name">1 to 63 bytes.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">1 to 4 dimensions, the contiguous one (columns, ne[0]) first.</param>
/// <param name="Offset">Where its data begins, relative to the data section.</param>
/// <param name="ByteCount">Bytes of its data, without padding.</param>
public sealed record GgufTensorInfo(string Name, GgmlType Type, ImmutableArray<long> Shape, long Offset, long ByteCount)
{
    /// <summary>Elements of one row (ne[0]).</summary>
    public long Columns => Shape[0];

    /// <summary>All dimensions above the first multiplied.</summary>
    public long Rows => Elements / Columns;

    /// <summary>Bytes of one row.</summary>
    public long RowBytes => ByteCount / Rows;

    public long Elements => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    public bool Equals(GgufTensorInfo? other) => other is not null && Name == other.Name && Type == other.Type && Offset == other.Offset
        && ByteCount == other.ByteCount && Shape.AsSpan().SequenceEqual(other.Shape.AsSpan());

    public override int GetHashCode() => HashCode.Combine(Name, Type, Offset, ByteCount);

    public override string ToString() => $"{Name} {GgmlTypes.Of(Type).Name} [{string.Join(", ", Shape)}]";
}
