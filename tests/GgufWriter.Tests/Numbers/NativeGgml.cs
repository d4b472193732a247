using System.Runtime.InteropServices;

namespace FinerCut.Gguf.Tests.Numbers;

/// <summary>The functions of libggml-base that the tests compare with (ggml.h, v0.5.0).</summary>
internal static unsafe class NativeGgml
{
    private static readonly nint Library = NativeLibrary.Load(Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "natives"))
        .Single(file => Path.GetFileName(file).Contains("ggml-base.", StringComparison.Ordinal)));

    public static long TypeSize(int type) => (long)((delegate* unmanaged<int, nuint>)Export("ggml_type_size"))(type);

    public static long BlockSize(int type) => ((delegate* unmanaged<int, long>)Export("ggml_blck_size"))(type);

    public static string? TypeName(int type) => Marshal.PtrToStringUTF8(((delegate* unmanaged<int, nint>)Export("ggml_type_name"))(type));

    public static float[] Decode(GgmlType type, ReadOnlySpan<byte> data, int count)
    {
        // ggml_type_traits: name, blck_size, blck_size_interleave, type_size, is_quantized, to_float, from_float_ref
        var traits = ((delegate* unmanaged<int, nint*>)Export("ggml_get_type_traits"))((int)type);
        var values = new float[count];
        fixed (byte* source = data)
        fixed (float* target = values)
        {
            ((delegate* unmanaged<byte*, float*, long, void>)traits[5])(source, target, count);
        }
        return values;
    }

    public static byte[] Encode(GgmlType type, float[] values)
    {
        var bytes = new byte[GgmlTypes.ByteCount(type, [values.Length])];
        fixed (float* source = values)
        fixed (byte* target = bytes)
        {
            ((delegate* unmanaged<int, float*, void*, long, long, long, float*, nuint>)Export("ggml_quantize_chunk"))((int)type, source, target, 0, 1, values.Length, null);
        }
        return bytes;
    }

    private static nint Export(string name) => NativeLibrary.GetExport(Library, name);
}
