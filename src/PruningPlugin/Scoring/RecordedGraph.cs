using System.Collections.Immutable;
using FinerCut.Masks;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>Numbers of enum ggml_op that the recorder reads (ggml/include/ggml.h, v0.5.0). A graph that does not fit them is refused.</summary>
internal static class GgmlOp
{
    public const int None = 0;
    public const int Add = 2;
    public const int MulMat = 29;
    public const int MulMatId = 30;
    public const int Reshape = 36;
    public const int View = 37;
    public const int Permute = 38;
    public const int Transpose = 39;
    public const int GetRows = 40;

    /// <summary>Computes nothing: a name for another tensor's data.</summary>
    public static bool IsView(int op) => op is None or Reshape or View or Permute or Transpose;
}

/// <summary>The compute graph is not of a form that masks can be applied to; the message names the sublayer and what was expected.</summary>
public sealed class UnsupportedGraphException(string message) : Exception(message);

/// <summary>Where a sublayer lies in a graph, as node indices.</summary>
/// <param name="Projection">MUL_MAT by attn_output or ffn_down; its operand 1 holds the heads' outputs or the FFN's channels. MUL_MAT_ID of experts.</param>
/// <param name="Residual">ADD of the branch to the residual stream; its result is the stream after the sublayer.</param>
/// <param name="BranchOperand">Which operand of the ADD is the branch: 0 or 1.</param>
internal readonly record struct SublayerNodes(Sublayer Sublayer, int Projection, int Residual, int BranchOperand);

/// <summary>
/// A graph's dataflow, free of addresses, so that it holds for every graph of that shape: llama.cpp builds the nodes of one shape in one order.
/// </summary>
/// <param name="Ops">Operation of each node, in the order in which they are computed.</param>
/// <param name="Dependencies">For each node the nodes whose results it reads, writes into memory (KV cache) included.</param>
/// <param name="Operands">For each node the nodes behind its operands 0 and 1; -1 where the operand is no node.</param>
/// <param name="Sublayers">By <see cref="Sublayer.Order"/>; null where the model has none.</param>
internal sealed record RecordedGraph(
    ImmutableArray<int> Ops,
    ImmutableArray<ImmutableArray<int>> Dependencies,
    ImmutableArray<(int First, int Second)> Operands,
    ImmutableArray<SublayerNodes?> Sublayers);

/// <summary>
/// Learns a graph while ggml asks for its nodes, and has nothing of it computed: a recording costs no more than building the graph.
/// Used for one decode on that decode's thread.
/// </summary>
internal sealed class GraphRecorder(ModelShape shape)
{
    private readonly Dictionary<nint, int> _nodes = [];
    private readonly Dictionary<string, int> _named = new(StringComparer.Ordinal);
    private readonly Dictionary<nint, int> _lastWriter = [];
    private readonly List<int> _ops = [];
    private readonly List<ImmutableArray<int>> _dependencies = [];
    private readonly List<(int First, int Second)> _operands = [];
    private readonly Dictionary<int, (Sublayer Sublayer, int Node)> _projections = [];

    public void Add(GraphNode node)
    {
        node.Compute = false;
        var index = _ops.Count;
        var dependencies = new SortedSet<int>();
        for (var source = 0; source < 10; source++)
        {
            var operand = node.Source(source);
            if (operand.IsNull) continue;
            if (IndexOf(operand) is >= 0 and var known) dependencies.Add(known);
            if (_lastWriter.TryGetValue(Root(operand), out var writer)) dependencies.Add(writer);
        }

        var root = Root(node);
        if (root != node.Address)
        {
            if (_nodes.TryGetValue(root, out var owner)) dependencies.Add(owner);
            if (_lastWriter.TryGetValue(root, out var writer)) dependencies.Add(writer);
            if (!GgmlOp.IsView(node.Op)) _lastWriter[root] = index;
        }

        _nodes[node.Address] = _named[node.Name] = index;
        _ops.Add(node.Op);
        _dependencies.Add([.. dependencies]);
        _operands.Add((IndexOf(node.Source(0)), IndexOf(node.Source(1))));
        if (node.Op is GgmlOp.MulMat or GgmlOp.MulMatId && IndexOf(node.Source(0)) < 0 && WeightNames.TryParseOutput(node.Source(0).Name, out var sublayer))
        {
            if (CopyNames.TryParse(node.Source(1).Name, out _)) throw new UnsupportedGraphException($"{sublayer}: its output projection lies on another device than what it is a projection of.");
            _projections[sublayer.Order] = (sublayer, index);
        }
    }

    /// <exception cref="UnsupportedGraphException">A sublayer of the model is not in the graph, or is not added to a residual stream.</exception>
    public RecordedGraph Finish()
    {
        var sublayers = new SublayerNodes?[2 * shape.Blocks.Length];
        var last = -1;
        foreach (var sublayer in shape.Sublayers())
        {
            if (!_projections.TryGetValue(sublayer.Order, out var projection))
            {
                throw new UnsupportedGraphException($"{sublayer}: its output projection is not in the compute graph of a {shape.Architecture} model.");
            }

            var nodes = Follow(sublayer, projection.Node);
            if (nodes.Residual <= last)
            {
                throw new UnsupportedGraphException($"{sublayer} of a {shape.Architecture} model runs beside the sublayer before it, not after it: they cannot be told apart in the residual stream.");
            }

            last = nodes.Residual;
            sublayers[sublayer.Order] = nodes;
        }

        return new RecordedGraph([.. _ops], [.. _dependencies], [.. _operands], [.. sublayers]);
    }

    /// <summary>
    /// The first addition after the projection whose one operand comes from it while the other is the stream: what the sublayer itself was
    /// computed from. Additions within a branch (experts, shared experts, biases) have no such operand.
    /// </summary>
    private SublayerNodes Follow(Sublayer sublayer, int projection)
    {
        var before = Ancestors(projection);
        var after = new bool[_ops.Count];
        after[projection] = true;
        for (var node = projection + 1; node < _ops.Count; node++)
        {
            after[node] = _dependencies[node].Any(source => after[source]);
            var (first, second) = _operands[node];
            if (!after[node] || _ops[node] != GgmlOp.Add || first < 0 || second < 0 || after[first] == after[second]) continue;
            if (IsStream(after[first] ? second : first, before)) return new SublayerNodes(sublayer, projection, node, after[first] ? 0 : 1);
        }

        throw new UnsupportedGraphException($"{sublayer}: its output is not added to a residual stream in the compute graph of a {shape.Architecture} model.");
    }

    private bool[] Ancestors(int node)
    {
        var found = new bool[_ops.Count];
        found[node] = true;
        for (var at = node; at >= 0; at--)
        {
            if (!found[at]) continue;
            foreach (var source in _dependencies[at]) found[source] = true;
        }

        return found;
    }

    /// <summary>The stream itself, or the rows of it that logits are wanted for.</summary>
    private bool IsStream(int node, bool[] before) => before[node] || (_ops[node] == GgmlOp.GetRows && _operands[node].First >= 0 && before[_operands[node].First]);

    private int IndexOf(GraphNode node)
    {
        if (node.IsNull) return -1;
        if (_nodes.TryGetValue(node.Address, out var index)) return index;
        return CopyNames.TryParse(node.Name, out var original) && _named.TryGetValue(original, out index) ? index : -1;
    }

    private static nint Root(GraphNode node) => node.ViewSource is { IsNull: false } root ? root.Address : node.Address;
}
