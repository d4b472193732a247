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
    public const int Reshape = 36;
    public const int View = 37;
    public const int Permute = 38;
    public const int Transpose = 39;

    /// <summary>Computes nothing: a name for another tensor's data.</summary>
    public static bool IsView(int op) => op is None or Reshape or View or Permute or Transpose;
}

/// <summary>The compute graph is not of a form that masks can be applied to; the message names the sublayer and what was expected.</summary>
public sealed class UnsupportedGraphException(string message) : Exception(message);

/// <summary>Where a sublayer lies in a graph, as node indices.</summary>
/// <param name="Projection">MUL_MAT by attn_output or ffn_down; its operand 1 holds the heads' outputs or the FFN's channels.</param>
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
            if (_nodes.TryGetValue(operand.Address, out var known)) dependencies.Add(known);
            if (_lastWriter.TryGetValue(Root(operand), out var writer)) dependencies.Add(writer);
        }

        var root = Root(node);
        if (root != node.Address)
        {
            if (_nodes.TryGetValue(root, out var owner)) dependencies.Add(owner);
            if (_lastWriter.TryGetValue(root, out var writer)) dependencies.Add(writer);
            if (!GgmlOp.IsView(node.Op)) _lastWriter[root] = index;
        }

        _nodes[node.Address] = index;
        _ops.Add(node.Op);
        _dependencies.Add([.. dependencies]);
        _operands.Add((IndexOf(node.Source(0)), IndexOf(node.Source(1))));
        if (node.Op == GgmlOp.MulMat && IndexOf(node.Source(0)) < 0 && TryParseWeight(node.Source(0).Name, out var sublayer))
        {
            _projections[sublayer.Order] = (sublayer, index);
        }
    }

    /// <exception cref="UnsupportedGraphException">A sublayer of the model is not in the graph, or is not added to a residual stream.</exception>
    public RecordedGraph Finish()
    {
        var consumers = new List<int>[_ops.Count];
        for (var index = 0; index < consumers.Length; index++) consumers[index] = [];
        for (var index = 0; index < consumers.Length; index++)
        {
            if (_operands[index].First >= 0) consumers[_operands[index].First].Add(index);
            if (_operands[index].Second >= 0 && _operands[index].Second != _operands[index].First) consumers[_operands[index].Second].Add(index);
        }

        var sublayers = new SublayerNodes?[2 * shape.Blocks.Length];
        foreach (var sublayer in shape.Sublayers())
        {
            if (!_projections.TryGetValue(sublayer.Order, out var projection))
            {
                throw new UnsupportedGraphException($"{sublayer}: its output projection is not in the compute graph of a {shape.Architecture} model.");
            }

            sublayers[sublayer.Order] = Follow(sublayer, projection.Node, consumers);
        }

        return new RecordedGraph([.. _ops], [.. _dependencies], [.. _operands], [.. sublayers]);
    }

    private SublayerNodes Follow(Sublayer sublayer, int projection, List<int>[] consumers)
    {
        var node = projection;
        while (consumers[node].Count == 1)
        {
            var next = consumers[node][0];
            var (first, second) = _operands[next];
            if (_ops[next] == GgmlOp.Add && first >= 0 && second >= 0) return new SublayerNodes(sublayer, projection, next, first == node ? 0 : 1);
            node = next;
        }

        throw new UnsupportedGraphException($"{sublayer}: its output has {consumers[node].Count} uses at one place; expected one addition to the residual stream.");
    }

    private int IndexOf(GraphNode node) => !node.IsNull && _nodes.TryGetValue(node.Address, out var index) ? index : -1;

    private static nint Root(GraphNode node) => node.ViewSource is { IsNull: false } root ? root.Address : node.Address;

    private static bool TryParseWeight(string name, out Sublayer sublayer)
    {
        sublayer = default;
        var parts = name.Split('.');
        if (parts is not ["blk", var number, var tensor, "weight"] || !int.TryParse(number, out var block)) return false;
        switch (tensor)
        {
            case "attn_output": sublayer = new Sublayer(block, SublayerKind.Attention); return true;
            case "ffn_down": sublayer = new Sublayer(block, SublayerKind.Ffn); return true;
            default: return false;
        }
    }
}
