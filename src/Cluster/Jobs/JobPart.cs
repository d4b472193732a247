using FinerCut.Cluster.Files;
using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Clusters;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Jobs;

/// <summary>This machine's role as a host of jobs: one at a time. Thread-safe.</summary>
internal sealed partial class JobPart(IGrainFactory grains, Members members, ClusterConfig config, HostFiles files, ILogger<JobPart> logger) : IJobPort
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallPatience = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private ClusterTools? _tools;
    private ScorerDesk? _scorers;
    private JobRun? _run;
    private Task _running = Task.CompletedTask;
    private Task _beating = Task.CompletedTask;

    public void Start(ClusterTools tools)
    {
        _tools = tools;
        _scorers = new ScorerDesk(tools, files, logger);
        tools.Jobs.Runner.Scorers = new BorrowedScorers(grains, members, config, tools, files, logger);
        var self = grains.CreateObjectReference<IJobPort>(this);
        _beating = Task.Run(() => BeatAsync(self));
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _beating;
        lock (_gate) _run?.Leave();
        await _running;
        if (_scorers is not null) await _scorers.DisposeAsync();
    }

    public Task<ScorerOutcome> ScoreAsync(ScorerOrder order) => _scorers is { } scorers && !_stopping.IsCancellationRequested
        ? scorers.StartAsync(order, _stopping.Token)
        : Task.FromResult(new ScorerOutcome { Problem = new Refusal { Status = 503, Code = "host_busy", Message = $"{members.Name} is going." } });

    public Task EndScoreAsync(string job) => _scorers?.EndAsync(job) ?? Task.CompletedTask;

    public Task<Refusal?> BeginAsync(JobOrder order)
    {
        ArgumentNullException.ThrowIfNull(order);
        var job = JobText.Read(order.Json);
        lock (_gate)
        {
            if (_tools is null || _stopping.IsCancellationRequested) return Refused(503, "host_busy", $"{members.Name} is going.");
            if (_run is { } other) return Refused(503, "host_busy", $"{members.Name} works on {other.Job}.");
            if (_tools.Live.Find(job.Model) is not { IsExternal: false } model) return Refused(409, "model_gone", $"The model {job.Model} is not in the settings of {members.Name}.");
            if (!File.Exists(model.Path)) return Refused(503, "model_file_missing", $"{members.Name} has fetched the file of {job.Model} for serving only: it works on no jobs of it.");
            if (job.Result is null && _tools.Jobs.Process.Misfit(order.Job, model, job.Order) is { } problem) return Refused(problem.Status, problem.Code, $"{members.Name}: {problem.Message}");
            var run = _run = new JobRun(grains, order, members.Name, _tools, logger);
            _running = Task.Run(async () =>
            {
                try
                {
                    await run.RunAsync();
                }
                catch (Exception exception)
                {
                    LogBroken(logger, order.Job, exception);
                }
                finally
                {
                    lock (_gate) _run = null;
                }
            });
            return Task.FromResult<Refusal?>(null);
        }
    }

    public Task CancelAsync(string job)
    {
        lock (_gate)
        {
            if (_run?.Job == job) _run.Cancel();
        }

        return Task.CompletedTask;
    }

    private async Task BeatAsync(IJobPort self)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await grains.GetGrain<IHostGrain>(members.Name).WorkAsync(self).WaitAsync(CallPatience, _tools!.Time, _stopping.Token);
            }
            catch (Exception) when (!_stopping.IsCancellationRequested)
            {
                // The next word is a second away; the host's report tells of a cluster that does not answer.
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.WhenAny(Task.Delay(Beat, _tools!.Time, _stopping.Token));
        }
    }

    private static Task<Refusal?> Refused(int status, string code, string message) => Task.FromResult<Refusal?>(new Refusal { Status = status, Code = code, Message = message });

    [LoggerMessage(Level = LogLevel.Error, Message = "The run of {Job} broke.")]
    private static partial void LogBroken(ILogger logger, string job, Exception exception);
}
