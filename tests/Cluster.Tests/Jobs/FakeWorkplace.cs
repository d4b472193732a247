using System.Collections.Concurrent;
using System.Text;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Pruning;
using FinerCut.Tests.Cluster.Models;
using Orleans.Concurrency;

namespace FinerCut.Tests.Cluster.Jobs;

/// <summary>A host whose jobs count to ten, with the number reached as their checkpoint. Beside a <see cref="FakeHost"/> of the same name, which reports it to the model.</summary>
internal sealed class FakeWorkplace : IJobPort, IAsyncDisposable
{
    public const int Steps = 10;
    public const string Checkpoint = "checkpoint";

    private readonly IGrainFactory _grains;
    private readonly FakeHost _host;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _beating;
    private int _busy;

    public FakeWorkplace(TestSilos silos, int silo, string name, string model)
    {
        (_grains, Name) = (silos.Grains(silo), name);
        _host = new FakeHost(silos, silo, name, model);
        var self = _grains.CreateObjectReference<IJobPort>(this);
        _beating = Task.Run(async () =>
        {
            while (!_stopping.IsCancellationRequested)
            {
                await Task.WhenAny(_grains.GetGrain<IHostGrain>(name).WorkAsync(self), Task.Delay(2000));
                await Task.WhenAny(Task.Delay(100, _stopping.Token));
            }
        });
    }

    public string Name { get; }

    /// <summary>Steps stand still at this number until it is raised.</summary>
    public int Gate { get; set; } = Steps;

    /// <summary>Refuses every job for this reason.</summary>
    public string? Refuses { get; set; }

    /// <summary>Attempts begun: the job, and the step each began at.</summary>
    public ConcurrentQueue<(string Job, int Attempt, int From)> Begun { get; } = new();

    /// <summary>Words of the jobs' owners that this host has lost its job.</summary>
    public ConcurrentBag<int> Lost { get; } = [];

    public ConcurrentBag<string> Cancelled { get; } = [];

    public Task<Refusal?> BeginAsync(JobOrder order)
    {
        if (Refuses is { } code) return Task.FromResult<Refusal?>(new Refusal { Status = 503, Code = code, Message = "It was told to." });
        if (Interlocked.Exchange(ref _busy, 1) == 1) return Task.FromResult<Refusal?>(new Refusal { Status = 503, Code = "host_busy", Message = "Busy." });
        _ = Task.Run(() => WorkAsync(order));
        return Task.FromResult<Refusal?>(null);
    }

    public Task<ScorerOutcome> ScoreAsync(ScorerOrder order) => Task.FromResult(new ScorerOutcome());

    public Task EndScoreAsync(string job) => Task.CompletedTask;

    public Task CancelAsync(string job)
    {
        Cancelled.Add(job);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAny(_beating, Task.Delay(5000));
        await _host.DisposeAsync();
    }

    private async Task WorkAsync(JobOrder order)
    {
        var owner = _grains.GetGrain<IJobGrain>(order.Job);
        var job = JobText.Read(order.Json) with { State = JobState.Running, Host = Name };
        var kept = order.Files.Contains(Checkpoint) ? await _grains.GetGrain<IJobFileGrain>(JobText.FileKey(order.Job, Checkpoint)).ReadAsync() : null;
        var step = kept is null ? 0 : int.Parse(Encoding.UTF8.GetString(kept));
        Begun.Enqueue((order.Job, order.Attempt, step));
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                if (step < Gate)
                {
                    step++;
                    await _grains.GetGrain<IJobFileGrain>(JobText.FileKey(order.Job, Checkpoint)).WriteAsync(order.Attempt, Encoding.UTF8.GetBytes($"{step}").AsImmutable());
                    await owner.KeptAsync(order.Attempt, Checkpoint);
                }

                if (step >= Steps) job = job with { State = JobState.Passed };
                var word = await owner.TellAsync(new JobNews { Attempt = order.Attempt, Json = JobText.WriteKept(job), Full = JobText.Write(job) });
                if (!word.Yours) Lost.Add(order.Attempt);
                else if (word.Cancel) await owner.TellAsync(new JobNews { Attempt = order.Attempt, Json = JobText.WriteKept(job with { State = JobState.Cancelled }), Full = "" });
                if (!word.Yours || word.Cancel || job.HasEnded) break;
            }
            catch (Exception)
            {
                // The owner is moving, or this host's silo is dead.
            }

            await Task.WhenAny(Task.Delay(50, _stopping.Token));
        }

        _busy = 0;
    }
}
