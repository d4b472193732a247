using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using FinerCut.Masks;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// Applies masks to a live graph (design §5). Idle it lets everything be computed; recording it learns the graph; running it follows a plan:
/// integer work only, no strings and no allocation a node. Called on the decoding thread, which also sets it up between decodes.
/// </summary>
public sealed class MaskObserver : IGraphObserver
{
    /// <summary>Ranges that are zeroed by a call each.</summary>
    private const int FewRanges = 8;

    private GraphRecorder? _recorder;
    private GraphPlan? _plan;
    private ResidualStates? _states;
    private ProjectionInputs? _inputs;
    private ImmutableArray<(int Start, int End)>[] _channels = [];
    private int _batch;
    private int _next;
    private bool _broken;
    private float[] _values = [];
    private Exception? _failure;

    /// <summary>Learns the next decode's graph instead of computing it.</summary>
    internal void Record(GraphRecorder recorder) => (_recorder, _plan, _failure, _broken) = (recorder, null, null, false);

    /// <summary>The next decode follows the plan.</summary>
    internal void Follow(GraphPlan plan, CutMask mask, StateUse use)
    {
        (_recorder, _plan, _states, _inputs, _batch, _next, _failure, _broken) = (null, plan, use.States, use.Inputs, use.Batch, 0, null, false);
        _channels = new ImmutableArray<(int, int)>[plan.Graph.Sublayers.Length];
        foreach (var sublayer in mask.Units.Shape.Sublayers())
        {
            if (mask.IsTouched(sublayer) && !mask.IsGone(sublayer)) _channels[sublayer.Order] = ChannelRanges.Of(mask, sublayer);
        }
    }

    /// <summary>Ends what was set up and rethrows what went wrong in a callback.</summary>
    internal void Finish(bool complete)
    {
        var (failure, plan, next) = (_failure, _plan, _next);
        (_recorder, _plan, _states, _inputs, _failure) = (null, null, null, null, null);
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
        if (complete && plan is not null && next != plan.Graph.Ops.Length)
        {
            throw new UnsupportedGraphException($"The graph has {next} nodes, {plan.Graph.Ops.Length} were recorded for this batch shape.");
        }
    }

    public bool OnNode(GraphNode node, bool ask)
    {
        if (_broken) return ask;
        try
        {
            if (_recorder is { } recorder)
            {
                if (ask) recorder.Add(node);
                return !ask;
            }

            if (_plan is not { } plan)
            {
                // Graphs are reused: what a plan switched off is on again for whoever decodes without one.
                if (ask) node.Compute = true;
                return !ask;
            }

            return ask ? Before(plan, node) : After(plan, node);
        }
        catch (Exception failure)
        {
            // The frame above is native. End the decode at the next group; Finish says why.
            _failure = failure;
            _broken = true;
            return ask;
        }
    }

    private bool Before(GraphPlan plan, GraphNode node)
    {
        var index = _next++;
        if (index >= plan.Graph.Ops.Length || node.Op != plan.Graph.Ops[index])
        {
            throw new UnsupportedGraphException($"Node {index} of the graph is not the one that was recorded for this batch shape.");
        }

        node.Compute = plan.Computes(index);
        if (plan.Reads(index)) _inputs!.Read(_batch, plan.OrderAt(index), node.Source(1));
        if (plan.ActionAt(index) == NodeAction.ZeroChannels) ZeroChannels(node.Source(1), _channels[plan.OrderAt(index)]);
        return plan.EndsGroup(index);
    }

    private bool After(GraphPlan plan, GraphNode node)
    {
        var index = _next - 1;
        switch (plan.ActionAt(index))
        {
            case NodeAction.ZeroBranch:
                node.Zero(0, node.Ne(1) * node.Ne(2) * node.Ne(3) * node.Nb(1));
                break;
            case NodeAction.Restore:
                node.Write(_states!.Get(_batch, plan.OrderAt(index)));
                break;
        }

        if (plan.Captures(index)) node.Read(_states!.Put(_batch, plan.OrderAt(index), checked((int)(node.Ne(0) * node.Ne(1)))));
        return true;
    }

    private void ZeroChannels(GraphNode input, ImmutableArray<(int Start, int End)> ranges)
    {
        if (input.Nb(0) != sizeof(float)) throw new UnsupportedGraphException("A projection's input is not single precision.");
        var rows = input.Ne(1) * input.Ne(2) * input.Ne(3);
        if (ranges.Length > FewRanges && input.Nb(1) == input.Ne(0) * sizeof(float))
        {
            ZeroScattered(input, ranges, (int)input.Ne(0), (int)rows);
            return;
        }

        for (long row = 0; row < rows; row++)
        {
            foreach (var (start, end) in ranges) input.Zero((row * input.Nb(1)) + (start * (long)sizeof(float)), (end - start) * (long)sizeof(float));
        }
    }

    /// <summary>Single channels all over the rows: one reading and one writing instead of a call for each.</summary>
    private void ZeroScattered(GraphNode input, ImmutableArray<(int Start, int End)> ranges, int channels, int rows)
    {
        if (_values.Length < channels * rows) _values = GC.AllocateUninitializedArray<float>(channels * rows);
        var values = _values.AsSpan(0, channels * rows);
        input.Read(values);
        for (var row = 0; row < rows; row++)
        {
            var line = values.Slice(row * channels, channels);
            foreach (var (start, end) in ranges) line[start..end].Clear();
        }

        input.Write<float>(values);
    }
}
