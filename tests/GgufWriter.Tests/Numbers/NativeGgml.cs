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

    /// <summary>Whether gguf_init_from_buffer takes the file (metadata only).</summary>
    public static bool Takes(byte[] file)
    {
        fixed (byte* bytes = file)
        {
            var context = ((delegate* unmanaged<byte*, nuint, InitParameters, nint>)Export("gguf_init_from_buffer"))(bytes, (nuint)file.Length, new(NoAlloc: 1, Context: 0));
            if (context == 0) return false;
            ((delegate* unmanaged<nint, void>)Export("gguf_free"))(context);
            return true;
        }
    }

    private static nint Export(string name) => NativeLibrary.GetExport(Library, name);

    private readonly record struct InitParameters(byte NoAlloc, nint Context);
}
