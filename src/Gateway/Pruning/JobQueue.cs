using System.Collections.Concurrent;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Telemetry;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Pruning;

/// <summary>
/// The one owner of all jobs: one runs at a time, the oldest first. Every change is saved before it is told. A job that was running when the
/// gateway ended, however it ended, goes on from its checkpoint.
/// </summary>
public sealed class JobQueue(JobStore store, JobRunner runner, EventHub hub, GatewayMetrics metrics, ILogger<JobQueue> logger, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, JobModel> _jobs = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _wake = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private CancellationTokenSource? _cancel;
    private string? _running;
    private Task _loop = Task.CompletedTask;

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<JobModel> All => [.. _jobs.Values.OrderBy(job => job.Number)];

    public JobModel? Find(string id) => _jobs.GetValueOrDefault(id);

    public void Start()
    {
        foreach (var job in store.Load())
        {
            _jobs[job.Id] = job;
            if (job.HasEnded) runner.Clean(job);
        }

        _loop = Task.Run(RunAsync);
        _wake.Release();
    }

    public JobModel Add(string modelId, PruneOrder order)
    {
        lock (_gate)
        {
            var number = _jobs.IsEmpty ? 1 : _jobs.Values.Max(known => known.Number) + 1;
            var job = new JobModel
            {
                Id = $"job-{number}",
                Number = number,
                Model = modelId,
                Version = runner.VersionOf(number),
                State = JobState.Queued,
                Order = runner.Settled(order),
                CreatedAt = time.GetUtcNow(),
            };
            Update(job);
            _wake.Release();
            return job;
        }
    }

    /// <summary>Null when the job is cancelled or about to be; otherwise why it cannot be.</summary>
    public ApiError? Cancel(string id)
    {
        lock (_gate)
        {
            if (Find(id) is not { } job) return JobProblems.NoJob;
            if (job.HasEnded) return JobProblems.Ended(job);
            if (_running == id) _cancel!.Cancel();
            else Update(Cancelled(job));
            return null;
        }
    }

    /// <summary>Lets the running job write its checkpoint.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
    }

    public void Dispose()
    {
        _wake.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            if (Next() is { } job) await RunAsync(job);
            else await Task.WhenAny(_wake.WaitAsync(_stopping.Token));
        }
    }

    private JobModel? Next()
    {
        lock (_gate)
        {
            var job = All.FirstOrDefault(candidate => !candidate.HasEnded);
            if (job is null) return null;
            _running = job.Id;
            _cancel = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            return job;
        }
    }

    private async Task RunAsync(JobModel job)
    {
        JobModel? ended = null;
        try
        {
            ended = await runner.RunAsync(job, Update, _cancel!.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            logger.LogInformation("{Job} goes on from its checkpoint when the gateway is back.", job.Id);
        }
        catch (OperationCanceledException)
        {
            ended = Cancelled(_jobs[job.Id]);
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "{Job} failed unexpectedly.", job.Id);
            ended = _jobs[job.Id] with { State = JobState.Failed, Phase = null, Error = new("internal_error", exception.Message), EndedAt = time.GetUtcNow() };
        }

        lock (_gate)
        {
            _running = null;
            _cancel!.Dispose();
            _cancel = null;
            if (ended is null) return;
            // Saved first, so that a crash cannot leave a job that would resume without its files; told last, so that whoever sees a job ended
            // finds none of the recorded text any more.
            store.Save(ended);
            runner.Clean(ended);
            Update(ended);
        }
    }

    private JobModel Cancelled(JobModel job) => JobProblems.Cancelled(job, time.GetUtcNow());

    private void Update(JobModel job)
    {
        var before = _jobs.GetValueOrDefault(job.Id);
        // Progress alone is neither kept nor counted.
        if (before is null || before.Silent() != job.Silent())
        {
            store.Save(job);
            if (before?.State != job.State)
            {
                logger.LogInformation("{Job} ({Model}) is {State}. {Reason}", job.Id, job.Model, job.State, job.Error?.Message ?? "");
                metrics.Transition("job", job.Model, job.State.ToString());
            }
        }

        _jobs[job.Id] = job;
        hub.Publish(new AdminEvent("job", job.Id, job));
    }
}
