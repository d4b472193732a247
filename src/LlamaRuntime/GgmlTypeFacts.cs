using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>ggml's own facts of its element types, for checking tables and dequantisation against. Thread-safe; needs an opened <see cref="NativeRuntime"/>.</summary>
public static unsafe class GgmlTypeFacts
{
    private const int Count = 43; // GGML_TYPE_COUNT of v0.5.0

    /// <summary>Numbers of all types, removed ones left out.</summary>
    public static IEnumerable<int> All => Enumerable.Range(0, Count).Where(type => BlockLength(type) > 0);

    /// <summary>Name as ggml has it, such as q4_K.</summary>
    public static string Name(int type) => Encoding.ASCII.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(Ggml.TypeName(Known(type))));

    /// <summary>Elements of one block; 0 for types that were removed.</summary>
    public static long BlockLength(int type) => Ggml.BlockSize(Known(type));

    /// <summary>Bytes of one block.</summary>
    public static long BlockBytes(int type) => (long)Ggml.TypeSize(Known(type));

    /// <summary>Whether ggml can turn the type into floats.</summary>
    public static bool CanDequantize(int type) => Ggml.TypeTraits(Known(type))->ToFloat != null;

    /// <summary>Decodes whole blocks into floats.</summary>
    /// <exception cref="ArgumentException">The lengths do not match in whole blocks, or the type has no decoder.</exception>
    public static void Dequantize(int type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        var toFloat = Ggml.TypeTraits(Known(type))->ToFloat;
        if (toFloat == null) throw new ArgumentException($"ggml has no decoder for {Name(type)}.", nameof(type));
        var (elements, bytes) = (BlockLength(type), BlockBytes(type));
        if (destination.Length % elements != 0 || source.Length != destination.Length / elements * bytes)
            throw new ArgumentException($"{source.Length} bytes are not {destination.Length} elements of {Name(type)} ({bytes} bytes for {elements}).", nameof(source));
        fixed (byte* from = source)
        fixed (float* to = destination) toFloat(from, to, destination.Length);
    }

    /// <summary>Encodes whole blocks with ggml's reference encoder.</summary>
    /// <exception cref="ArgumentException">The lengths do not match in whole blocks, or the type has no encoder.</exception>
    public static void Quantize(int type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        var fromFloat = Ggml.TypeTraits(Known(type))->FromFloatRef;
        if (fromFloat == null) throw new ArgumentException($"ggml has no encoder for {Name(type)}.", nameof(type));
        var (elements, bytes) = (BlockLength(type), BlockBytes(type));
        if (source.Length % elements != 0 || destination.Length != source.Length / elements * bytes)
            throw new ArgumentException($"{destination.Length} bytes are not {source.Length} elements of {Name(type)} ({bytes} bytes for {elements}).", nameof(destination));
        foreach (var value in source)
        {
            if (!float.IsFinite(value)) throw new ArgumentException("Only finite numbers are encoded.", nameof(source));
        }

        Ggml.QuantizeInit(type);
        fixed (float* from = source)
        fixed (byte* to = destination) fromFloat(from, to, source.Length);
    }

    private static int Known(int type)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(type);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(type, Count);
        return type;
    }
}
