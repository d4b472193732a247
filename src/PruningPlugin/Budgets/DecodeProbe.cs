using System.Collections.Immutable;
using System.Runtime.ExceptionServices;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Budgets;

/// <summary>
/// Measures what each sublayer takes of a decode step: the graph is computed in groups that end at the residual additions, and the clock is read
/// when a group is done (the scheduler synchronises the backend before it says so). One decode step a round; the median of the rounds counts.
/// Called on the decoding thread.
/// </summary>
internal sealed class DecodeProbe : IGraphObserver
{
    public const int Rounds = 9;

    private const int MostBatch = 256;

    private readonly TimeProvider _time;
    private readonly List<long>[] _ticks;
    private GraphRecorder? _recorder;
    private RecordedGraph? _graph;
    private Dictionary<int, int> _ends = [];
    private bool _counts;
    private int _next;
    private long _last;
    private Exception? _failure;

    private DecodeProbe(ModelShape shape, TimeProvider time)
    {
        _time = time;
        _ticks = [.. Enumerable.Range(0, 2 * shape.Blocks.Length).Select(_ => new List<long>())];
    }

    /// <summary>Context length that a request asks for, as far as the model goes.</summary>
    public static int ContextOf(int? asked, ILlamaModel model) =>
        Math.Max(1, Math.Min(asked ?? FinerCut.Jobs.PruneBudget.DefaultDecodeContext, model.Info.ContextLength > 2 * Rounds ? model.Info.ContextLength - (2 * Rounds) : int.MaxValue));

    /// <returns>Nanoseconds by the sublayer's order.</returns>
    /// <exception cref="UnsupportedGraphException">The graph has no residual stream that sublayers are added to.</exception>
    public static ImmutableArray<long> Measure(ILlamaModel model, ModelShape shape, int context, int threads, TimeProvider time, CancellationToken cancellationToken)
    {
        var probe = new DecodeProbe(shape, time);
        using var steps = new DecodeSteps(model, context, Rounds + 2, threads, probe, cancellationToken);
        probe._recorder = new GraphRecorder(shape);
        steps.Next();
        probe.Check();
        probe._graph = probe._recorder.Finish();
        probe._recorder = null;
        probe._ends = probe._graph.Sublayers.OfType<SublayerNodes>().ToDictionary(nodes => nodes.Residual, nodes => nodes.Sublayer.Order);
        for (var round = 0; round <= Rounds; round++)
        {
            // The first round warms up.
            probe._counts = round > 0;
            probe._next = 0;
            steps.Next();
            probe.Check();
        }

        return [.. probe._ticks.Select(ticks => ticks.Count == 0 ? 0 : Nanoseconds(ticks.Order().ElementAt(ticks.Count / 2), time))];
    }

    /// <summary>Milliseconds of a whole decode step of two models, nothing observed; they take turns. The median of the rounds.</summary>
    public static (double First, double Second) Compare(ILlamaModel first, ILlamaModel second, int context, int threads, TimeProvider time, CancellationToken cancellationToken)
    {
        using var one = new DecodeSteps(first, context, Rounds + 1, threads, null, cancellationToken);
        using var other = new DecodeSteps(second, context, Rounds + 1, threads, null, cancellationToken);
        List<double> ofOne = [], ofOther = [];
        for (var round = 0; round <= Rounds; round++)
        {
            foreach (var (steps, times) in new[] { (one, ofOne), (other, ofOther) })
            {
                var began = time.GetTimestamp();
                steps.Next();
                if (round > 0) times.Add(time.GetElapsedTime(began).TotalMilliseconds);
            }
        }

        return (ofOne.Order().ElementAt(Rounds / 2), ofOther.Order().ElementAt(Rounds / 2));
    }

    public bool OnNode(GraphNode node, bool ask)
    {
        if (_failure is not null) return ask;
        try
        {
            if (_recorder is { } recorder)
            {
                if (ask) recorder.Add(node);
                return !ask;
            }

            if (_graph is null) return !ask;
            if (!ask)
            {
                Ended(_next - 1);
                return true;
            }

            // Graphs are reused: the recording switched its nodes off.
            node.Compute = true;
            if (_next == 0) _last = _time.GetTimestamp();
            return _ends.ContainsKey(_next++);
        }
        catch (Exception failure)
        {
            // The frame above is native; Check says what went wrong.
            _failure = failure;
            return ask;
        }
    }

    private void Ended(int node)
    {
        var now = _time.GetTimestamp();
        if (_counts && _ends.TryGetValue(node, out var order)) _ticks[order].Add(now - _last);
        _last = now;
    }

    private void Check()
    {
        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    private static long Nanoseconds(long ticks, TimeProvider time) => (long)(ticks * (1e9 / time.TimestampFrequency));

    /// <summary>A session with so many tokens in its memory, which then decodes one more at a time.</summary>
    private sealed class DecodeSteps : IDisposable
    {
        private readonly ILlamaSession _session;
        private readonly TokenBatch _batch;
        private readonly int _vocabulary;
        private readonly CancellationToken _cancellation;
        private int _position;

        public DecodeSteps(ILlamaModel model, int context, int steps, int threads, IGraphObserver? observer, CancellationToken cancellationToken)
        {
            var capacity = Math.Min(context, MostBatch);
            (_batch, _vocabulary, _cancellation) = (new TokenBatch(capacity), model.Info.VocabularySize, cancellationToken);
            _session = model.Open(new SessionOptions
            {
                ContextLength = (context + steps + 255) / 256 * 256, BatchSize = capacity, MicroBatchSize = capacity,
                Threads = threads, BatchThreads = threads, OpOffload = false, GraphObserver = observer, Abort = () => cancellationToken.IsCancellationRequested,
            });
            try
            {
                while (_position < context) Decode(Math.Min(capacity, context - _position));
            }
            catch
            {
                _session.Dispose();
                throw;
            }
        }

        public void Next() => Decode(1);

        public void Dispose() => _session.Dispose();

        private void Decode(int tokens)
        {
            _cancellation.ThrowIfCancellationRequested();
            _batch.Clear();
            for (var token = 0; token < tokens; token++, _position++) _batch.Add((int)(_position * 7919L % _vocabulary), _position, 0, token == tokens - 1);
            var status = _session.Decode(_batch);
            _cancellation.ThrowIfCancellationRequested();
            if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Measuring decode steps at {_position} tokens ended with {status}.");
        }
    }
}
