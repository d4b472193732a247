using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>The functions of libggml-base and libggml that the runtime calls (ggml/include/ggml.h, ggml-backend.h, v0.5.0).</summary>
internal static unsafe partial class Ggml
{
    internal const string BaseLibrary = "ggml-base";
    internal const string Library = "ggml";

    [LibraryImport(Library, EntryPoint = "ggml_backend_load_all_from_path", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial void BackendLoadAllFromPath(string folder);

    [LibraryImport(Library, EntryPoint = "ggml_backend_reg_count")]
    internal static partial nuint BackendRegistryCount();

    [LibraryImport(Library, EntryPoint = "ggml_backend_dev_count")]
    internal static partial nuint DeviceCount();

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_backend_tensor_get")]
    internal static partial void TensorGet(nint tensor, void* data, nuint offset, nuint size);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_backend_tensor_set")]
    internal static partial void TensorSet(nint tensor, void* data, nuint offset, nuint size);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_backend_tensor_memset")]
    internal static partial void TensorMemset(nint tensor, byte value, nuint offset, nuint size);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_nbytes")]
    internal static partial nuint ByteCount(nint tensor);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_init")]
    internal static partial nint Init(GgmlInitParams parameters);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_free")]
    internal static partial void Free(nint context);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_tensor_overhead")]
    internal static partial nuint TensorOverhead();

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_new_tensor_2d")]
    internal static partial nint NewTensor2D(nint context, int type, long ne0, long ne1);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_set_name", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint SetName(nint tensor, string name);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_set_output")]
    internal static partial void SetOutput(nint tensor);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_mul_mat")]
    internal static partial nint MulMat(nint context, nint a, nint b);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_view_1d")]
    internal static partial nint View1D(nint context, nint tensor, long ne0, nuint offset);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_op_name")]
    internal static partial byte* OpName(int op);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_type_size")]
    internal static partial nuint TypeSize(int type);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_blck_size")]
    internal static partial long BlockSize(int type);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_type_name")]
    internal static partial byte* TypeName(int type);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_quantize_init")]
    internal static partial void QuantizeInit(int type);

    [LibraryImport(BaseLibrary, EntryPoint = "ggml_get_type_traits")]
    internal static partial GgmlTypeTraits* TypeTraits(int type);
}
