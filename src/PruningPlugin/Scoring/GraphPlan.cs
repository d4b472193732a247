using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// What to do at a node. What takes the place of a result is written where it would have been computed, with the group ended there: where the backend changes between a result and whoever
/// reads it, a copy is made in between, and what is written into the copy may come before it.
/// </summary>
internal enum NodeAction : byte
{
    None,

    /// <summary>In the place of the result that a residual addition takes as its branch: zero, the sublayer is gone.</summary>
    ZeroBranch,

    /// <summary>Before the node: zero ranges of channels of a projection's operand 1, units are gone.</summary>
    ZeroChannels,

    /// <summary>In the place of the residual addition's result: the kept state.</summary>
    Restore,
}

/// <summary>
/// One decode's instructions, by node index: what is computed, where ggml ends a group, what is done to the data. Made from a recorded
/// graph by one walk from the results back to their sources. Immutable once built; a plan is used on one thread.
/// </summary>
internal sealed class GraphPlan
{
    private readonly bool[] _compute;
    private readonly bool[] _endGroup;
    private readonly NodeAction[] _actions;
    private readonly int[] _orders;
    private readonly bool[] _captures;
    private readonly bool[] _reads;

    private GraphPlan(RecordedGraph graph)
    {
        Graph = graph;
        _compute = new bool[graph.Ops.Length];
        _endGroup = new bool[graph.Ops.Length];
        _actions = new NodeAction[graph.Ops.Length];
        _orders = new int[graph.Ops.Length];
        _captures = new bool[graph.Ops.Length];
        _reads = new bool[graph.Ops.Length];
    }

    public RecordedGraph Graph { get; }

    public bool Computes(int node) => _compute[node];

    public bool EndsGroup(int node) => _endGroup[node];

    public NodeAction ActionAt(int node) => _actions[node];

    /// <summary>Whether the node's result is a residual state to keep.</summary>
    public bool Captures(int node) => _captures[node];

    /// <summary>Whether the node is a projection whose input (operand 1) is to be read, once the action at the node is done.</summary>
    public bool Reads(int node) => _reads[node];

    /// <summary>Order of the sublayer that an action, capture or reading at the node belongs to.</summary>
    public int OrderAt(int node) => _orders[node];

    /// <param name="graph">The graph of the batch's shape.</param>
    /// <param name="mask">What is gone.</param>
    /// <param name="restore">Order of the sublayer whose kept residual state the decode starts from; -1 = from the tokens.</param>
    /// <param name="capture">Orders of sublayers after which the residual state is kept.</param>
    /// <param name="inputs">Orders of sublayers, kept at least in part, whose projections' inputs are read.</param>
    /// <param name="logits">Whether the graph's result is wanted.</param>
    public static GraphPlan Build(
        RecordedGraph graph, CutMask mask, int restore, IReadOnlyCollection<int> capture, IReadOnlyCollection<int> inputs, bool logits)
    {
        var plan = new GraphPlan(graph);
        var cut = new Dictionary<int, SublayerNodes>();
        foreach (var nodes in graph.Sublayers.OfType<SublayerNodes>())
        {
            if (mask.IsGone(nodes.Sublayer)) cut[nodes.Residual] = nodes;
        }

        var restored = restore < 0 ? -1 : graph.Sublayers[restore]!.Value.Residual;
        if (logits) plan._compute[^1] = true;
        foreach (var order in capture)
        {
            var residual = graph.Sublayers[order]!.Value.Residual;
            plan._compute[residual] = plan._captures[residual] = plan._endGroup[residual] = true;
            plan._orders[residual] = order;
        }

        foreach (var order in inputs)
        {
            var projection = graph.Sublayers[order]!.Value.Projection;
            plan._compute[projection] = plan._reads[projection] = true;
            plan._orders[projection] = order;
            if (projection > 0) plan._endGroup[projection - 1] = true;
        }

        for (var node = graph.Ops.Length - 1; node >= 0; node--)
        {
            if (!plan._compute[node] || node == restored) continue;
            var branch = cut.TryGetValue(node, out var nodes) ? BranchOf(graph, nodes) : -1;
            foreach (var source in graph.Dependencies[node])
            {
                if (source != branch) plan._compute[source] = true;
            }
        }

        if (restored >= 0)
        {
            plan.Act(restored, NodeAction.Restore, restore);
            plan._compute[restored] = false;
        }

        foreach (var nodes in graph.Sublayers.OfType<SublayerNodes>())
        {
            if (plan._compute[nodes.Residual] && cut.ContainsKey(nodes.Residual)) plan.Act(BranchOf(graph, nodes), NodeAction.ZeroBranch, nodes.Sublayer.Order);
            else if (plan._compute[nodes.Projection] && mask.IsTouched(nodes.Sublayer)) plan.Act(nodes.Projection, NodeAction.ZeroChannels, nodes.Sublayer.Order);
        }

        return plan;
    }

    private static int BranchOf(RecordedGraph graph, SublayerNodes nodes) => nodes.BranchOperand == 0 ? graph.Operands[nodes.Residual].First : graph.Operands[nodes.Residual].Second;

    /// <summary>With everything earlier done: the group ends at the node whose result is replaced, or at the one before that which reads what is changed.</summary>
    private void Act(int node, NodeAction action, int order)
    {
        _actions[node] = action;
        _orders[node] = order;
        var end = action == NodeAction.ZeroChannels ? node - 1 : node;
        if (end >= 0) _endGroup[end] = true;
    }
}

/// <summary>Channel ranges [start, end) of a projection's input that are gone with a sublayer's removed parts. Pure.</summary>
internal static class ChannelRanges
{
    public static ImmutableArray<(int Start, int End)> Of(CutMask mask, Sublayer sublayer)
    {
        var shape = mask.Units.Shape;
        var block = shape.Blocks[sublayer.Block];
        var (width, channels) = sublayer.Kind == SublayerKind.Attention
            ? (block.HeadCount / block.KvGroupCount * shape.HeadLength, block.HeadCount * shape.HeadLength)
            : (mask.Units.ChannelBlock, block.FfnLength);
        var ranges = ImmutableArray.CreateBuilder<(int Start, int End)>();
        foreach (var part in mask.RemovedParts(sublayer))
        {
            var range = (Start: part * width, End: Math.Min((part + 1) * width, channels));
            if (ranges.Count > 0 && ranges[^1].End == range.Start) ranges[^1] = (ranges[^1].Start, range.End);
            else ranges.Add(range);
        }

        return ranges.ToImmutable();
    }
}
