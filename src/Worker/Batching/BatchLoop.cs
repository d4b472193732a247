using System.Collections.Concurrent;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Batching;

/// <summary>
/// The one owner of a context: its thread alone touches the session, its memory and its samplers. Requests come in by a bounded queue, tokens go
/// out by each generation's <see cref="Outbox"/>.
/// </summary>
public sealed class BatchLoop : IDisposable
{
    /// <summary>Known sets of adapter strengths from which on those that nobody uses are forgotten.</summary>
    private const int MostAdapterSets = 64;

    private static readonly TimeSpan IdleWait = TimeSpan.FromSeconds(5);

    private readonly ConcurrentQueue<Generation> _arrivals = new();
    private readonly ConcurrentQueue<Action> _visits = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly TaskCompletionSource _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private readonly BatchContext _context;
    private readonly BatchConfig _config;
    private readonly WorkerMeters _meters;
    private readonly TimeProvider _clock;
    private readonly StepRunner _steps;
    private readonly Roster _roster;
    private readonly Lock _door = new();
    private volatile bool _stopping;
    private bool _closed;
    private int _unfinished;

    /// <param name="context">Owned from here on; disposed by the loop's thread at its end.</param>
    public BatchLoop(BatchContext context, BatchConfig config, WorkerMeters meters, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        _config = config;
        _meters = meters;
        _clock = clock;
        _roster = new Roster(context.Store, config, clock);
        _steps = new StepRunner(context, config, _roster, meters, clock);
        _thread = new Thread(Run) { Name = "batch loop", IsBackground = true };
    }

    public BatchConfig Config => _config;

    /// <summary>Ends when the loop has stopped; faults where it broke, after which nothing can be served.</summary>
    public Task Completion => _completion.Task;

    /// <summary>Generations that were taken in and have not ended.</summary>
    public int Unfinished => Volatile.Read(ref _unfinished);

    public void Start() => _thread.Start();

    /// <summary>Takes generations in, all or none. False where the queue is full or the loop is stopping.</summary>
    /// <param name="ahead">Requests that were taken in before and have not ended.</param>
    public bool TryEnter(ReadOnlySpan<Generation> generations, out int ahead)
    {
        lock (_door)
        {
            ahead = Unfinished;
            if (_closed || _stopping || ahead + generations.Length > _config.Parallel + _config.QueueCapacity)
            {
                _meters.OnRefused();
                return false;
            }

            Interlocked.Add(ref _unfinished, generations.Length);
            foreach (var generation in generations)
            {
                generation.ArrivedAt = _clock.GetTimestamp();
                _arrivals.Enqueue(generation);
            }
        }

        _wake.Set();
        return true;
    }

    /// <summary>Makes the loop look at cancellations at once, where it might be asleep.</summary>
    public void Wake() => _wake.Set();

    /// <summary>Runs something on the loop's thread between two steps, where it may use the session.</summary>
    public Task<T> VisitAsync<T>(Func<BatchContext, T> visit)
    {
        ArgumentNullException.ThrowIfNull(visit);
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_door)
        {
            if (_closed) throw new InvalidOperationException("The batch loop has stopped.");
            _visits.Enqueue(() =>
            {
                try
                {
                    result.SetResult(visit(_context));
                }
                catch (Exception exception)
                {
                    result.SetException(exception);
                }
            });
        }

        _wake.Set();
        return result.Task;
    }

    /// <summary>Takes nothing in any more, ends what is left at once as failed, and stops the thread.</summary>
    public async Task StopAsync()
    {
        _stopping = true;
        _wake.Set();
        await _completion.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _stopping = true;
        _wake.Set();
        if (_thread.IsAlive) _thread.Join();
        _wake.Dispose();
    }

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                Intake();
                var worked = _steps.Step();
                Count();
                if (!worked && _arrivals.IsEmpty && _visits.IsEmpty) _wake.WaitOne(IdleWait);
            }

            Abandon(new GenerationFailure("shutting_down", "The server is shutting down.", IsRequestFault: false));
            _completion.SetResult();
        }
        catch (Exception exception)
        {
            _stopping = true;
            Abandon(new GenerationFailure("engine_failed", "The inference loop broke; the server restarts.", IsRequestFault: false));
            _completion.SetException(exception);
        }
        finally
        {
            _context.Drafter?.Dispose();
            _context.Session.Dispose();
        }
    }

    private void Intake()
    {
        while (_visits.TryDequeue(out var visit)) visit();
        while (_arrivals.TryDequeue(out var generation))
        {
            if (generation.AdapterSet < 0) generation.AdapterSet = _context.Adapters.Resolve(generation.Request.Adapters);
            _roster.Enqueue(generation);
            if (_context.Adapters.Known > MostAdapterSets) _context.Adapters.Keep(_roster.AdapterSets().ToHashSet());
        }
    }

    private void Count() => Interlocked.Add(ref _unfinished, -_steps.TakeEnded());

    private void Abandon(GenerationFailure failure)
    {
        lock (_door) _closed = true;
        Intake();
        foreach (var generation in _roster.Active.Concat(_roster.Waiting).ToArray()) _steps.End(generation, FinishKind.Failed, failure);
        Count();
    }
}
