using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Compares the structs of this binding with the loaded library before anything is passed by value: the defaults that the library returns must
/// lie where the binding expects them and must not reach past its structs, and tensors made by ggml must have the fields at
/// <see cref="GgmlTensorLayout"/>'s offsets. A library of another release fails here instead of corrupting memory.
/// </summary>
internal static unsafe partial class AbiCheck
{
    private const int ObjectHeader = 32; // struct ggml_object, in front of each tensor of a ggml_context
    private const int TypeQ8 = 8;
    private const int FlagOutput = 2;

    internal static void Run(string folder)
    {
        var faults = Faults();
        if (faults.Count == 0) return;
        throw new LlamaException(
            LlamaErrorCode.AbiMismatch,
            $"The llama.cpp library in {folder} does not have the layout of {Release}, which this program is built for: {string.Join("; ", faults)}. Use the natives that the build copies.");
    }

    internal static List<string> Faults(GgmlTensorLayout? layout = null)
    {
        var faults = new List<string>();
        CheckParameters(faults);
        CheckTensor(layout ?? new GgmlTensorLayout(), faults);
        return faults;
    }

    private static void CheckTensor(GgmlTensorLayout layout, List<string> faults)
    {
        var context = Ggml.Init(new GgmlInitParams { MemSize = 16 * 1024, NoAlloc = 1 });
        if (context == 0)
        {
            faults.Add("ggml_init returned nothing");
            return;
        }

        try
        {
            var weights = Ggml.NewTensor2D(context, TypeQ8, 64, 3);
            var input = Ggml.NewTensor2D(context, 0, 64, 5);
            Expect(faults, "sizeof ggml_tensor", [("overhead", (long)Ggml.TensorOverhead() - ObjectHeader, layout.Size), ("stride", input - weights - ObjectHeader, layout.Size)]);
            if (faults.Count > 0) return;

            Ggml.SetName(weights, "blk.0.weight");
            var product = Ggml.MulMat(context, weights, input);
            Ggml.SetOutput(product);
            var view = Ggml.View1D(context, input, 8, 16);
            Expect(faults, "ggml_tensor", [
                ("type", Int(weights, layout.Type), TypeQ8), ("ne[0]", Long(weights, layout.Ne), 64), ("ne[1]", Long(weights, layout.Ne + 8), 3),
                ("ne[3]", Long(weights, layout.Ne + 24), 1), ("nb[0]", Long(weights, layout.Nb), 34), ("nb[1]", Long(weights, layout.Nb + 8), 68),
                ("nbytes", (long)Ggml.ByteCount(weights), 204), ("op", Int(weights, layout.Op), 0), ("data", Long(weights, layout.Data), 0),
                ("flags", Int(product, layout.Flags) & FlagOutput, FlagOutput), ("src[0]", Long(product, layout.Src), weights),
                ("src[1]", Long(product, layout.Src + 8), input), ("src[2]", Long(product, layout.Src + 16), 0),
                ("view_src", Long(view, layout.ViewSrc), input), ("view_offs", Long(view, layout.ViewOffset), 16),
                ("last src", Long(product, layout.Src + (8 * (layout.MaxSrc - 1))), 0)]);
            if (Text(Ggml.OpName(Int(product, layout.Op))) != "MUL_MAT") faults.Add("ggml_tensor.op is not where it is expected");
            if (Text((byte*)weights + layout.Name) != "blk.0.weight") faults.Add("ggml_tensor.name is not where it is expected");
        }
        finally
        {
            Ggml.Free(context);
        }
    }

    private static void Expect(List<string> faults, string name, ReadOnlySpan<(string Field, long Actual, long Expected)> fields)
    {
        foreach (var (field, actual, expected) in fields)
        {
            if (actual != expected) faults.Add($"{name}: {field} is {actual}, expected {expected}");
        }
    }

    private static int Int(nint tensor, int offset) => *(int*)(tensor + offset);

    private static long Long(nint tensor, int offset) => *(long*)(tensor + offset);

    private static string Text(byte* text) => Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
}
