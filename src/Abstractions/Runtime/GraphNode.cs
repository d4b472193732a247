using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime;

/// <summary>
/// Called by ggml's scheduler for each node of a graph (ggml_backend_sched_eval_callback): with <paramref name="ask"/> before anything of
/// the node's group is computed — true ends the group at this node —, without it once the group is computed — false ends the decode.
/// Called on the thread that decodes. Must not throw: the frame above is native.
/// </summary>
public interface IGraphObserver
{
    bool OnNode(GraphNode node, bool ask);
}

/// <summary>Moves bytes between the host and a tensor wherever it lies (ggml_backend_tensor_get, _set, _memset). Offsets and sizes in bytes.</summary>
public interface ITensorData
{
    void Read(nint tensor, Span<byte> destination, long offset);

    void Write(nint tensor, ReadOnlySpan<byte> source, long offset);

    void Fill(nint tensor, byte value, long offset, long size);
}

/// <summary>
/// Offsets of struct ggml_tensor (ggml/include/ggml.h, v0.5.0), in bytes. The adapter checks them against the library before the first use.
/// </summary>
public sealed record GgmlTensorLayout
{
    public int Type { get; init; }
    public int Ne { get; init; } = 16;
    public int Nb { get; init; } = 48;
    public int Op { get; init; } = 80;
    public int Flags { get; init; } = 148;
    public int Src { get; init; } = 152;
    public int MaxSrc { get; init; } = 10;
    public int ViewSrc { get; init; } = 232;
    public int ViewOffset { get; init; } = 240;
    public int Data { get; init; } = 248;
    public int Name { get; init; } = 256;
    public int MaxName { get; init; } = 64;
    public int Size { get; init; } = 336;
}

/// <summary>A node of a live compute graph: a view onto ggml_tensor, valid only inside the callback (addresses stay while the graph is reused).</summary>
public readonly unsafe struct GraphNode(nint tensor, GgmlTensorLayout layout, ITensorData data) : IEquatable<GraphNode>
{
    private const int ComputeFlag = 16;

    public nint Address => tensor;

    public bool IsNull => tensor == 0;

    /// <summary>ggml_type of the elements; 0 is F32.</summary>
    public int Type => *(int*)(tensor + layout.Type);

    /// <summary>enum ggml_op.</summary>
    public int Op => *(int*)(tensor + layout.Op);

    /// <summary>UTF-8 name as given by llama.cpp's graph builder, such as ffn_inp-3.</summary>
    public ReadOnlySpan<byte> NameUtf8
    {
        get
        {
            var all = new ReadOnlySpan<byte>((void*)(tensor + layout.Name), layout.MaxName);
            var end = all.IndexOf((byte)0);
            return end < 0 ? all : all[..end];
        }
    }

    public string Name => Encoding.UTF8.GetString(NameUtf8);

    /// <summary>Elements of dimension 0 to 3.</summary>
    public long Ne(int dimension) => ((long*)(tensor + layout.Ne))[dimension];

    /// <summary>Stride of dimension 0 to 3 in bytes.</summary>
    public long Nb(int dimension) => ((long*)(tensor + layout.Nb))[dimension];

    public GraphNode Source(int index) => new(((nint*)(tensor + layout.Src))[index], layout, data);

    public GraphNode ViewSource => new(*(nint*)(tensor + layout.ViewSrc), layout, data);

    public long ViewOffset => *(long*)(tensor + layout.ViewOffset);

    /// <summary>Whether the backend computes the node (GGML_TENSOR_FLAG_COMPUTE). Graphs are reused: whoever clears it sets it again.</summary>
    public bool Compute
    {
        get => (*(int*)(tensor + layout.Flags) & ComputeFlag) != 0;
        set
        {
            var flags = (int*)(tensor + layout.Flags);
            *flags = value ? *flags | ComputeFlag : *flags & ~ComputeFlag;
        }
    }

    public void Read<T>(Span<T> destination, long offset = 0)
        where T : unmanaged => data.Read(tensor, MemoryMarshal.AsBytes(destination), offset);

    public void Write<T>(ReadOnlySpan<T> source, long offset = 0)
        where T : unmanaged => data.Write(tensor, MemoryMarshal.AsBytes(source), offset);

    /// <summary>Zeroes bytes of the tensor's data.</summary>
    public void Zero(long offset, long size) => data.Fill(tensor, 0, offset, size);

    public bool Equals(GraphNode other) => Address == other.Address;

    public override bool Equals(object? obj) => obj is GraphNode other && Equals(other);

    public override int GetHashCode() => tensor.GetHashCode();

    public static bool operator ==(GraphNode left, GraphNode right) => left.Equals(right);

    public static bool operator !=(GraphNode left, GraphNode right) => !left.Equals(right);
}
