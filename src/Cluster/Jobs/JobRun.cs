using FinerCut.Cluster.Hosting;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Pruning;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Jobs;

/// <summary>
/// One attempt of this host at a job: takes up what is kept of it, works as a machine that stands alone would, says every second how it stands and keeps what
/// it found. Ends when the job does, when another host has it, or when this host goes.
/// </summary>
internal sealed partial class JobRun(IGrainFactory grains, JobOrder order, string host, ClusterTools tools, ILogger logger)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallPatience = TimeSpan.FromSeconds(10);

    /// <summary>How long the owner of a job that has ended is tried: beyond it another host does it again, and comes to the same.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(60);

    private readonly CancellationTokenSource _ending = new();
    private readonly JobFolder _folder = new(grains, order.Job, JobRunner.WorkFolder(tools.State, JobText.Read(order.Json)));
    private JobModel _latest = JobText.Read(order.Json) with { Host = host };
    private bool _isOurs = true;
    private bool _isLeaving;

    public string Job => order.Job;

    /// <summary>An admin wants the job to end.</summary>
    public void Cancel() => _ending.Cancel();

    /// <summary>This host goes: the Worker writes its checkpoint, and another host goes on.</summary>
    public void Leave()
    {
        _isLeaving = true;
        _ending.Cancel();
    }

    /// <summary>Never faults.</summary>
    public async Task RunAsync()
    {
        using var over = new CancellationTokenSource();
        var telling = TellAsync(over.Token);
        var ended = await WorkAsync();
        await over.CancelAsync();
        await telling;
        // Whoever sees it ended finds none of the recorded text here any more.
        if (ended is not null) tools.Jobs.Runner.Clean(_latest);
        if (_isOurs) await FinishAsync(ended);
        // Kept elsewhere by now, or another's.
        tools.Jobs.Runner.Clean(_latest);
        _ending.Dispose();
    }

    /// <summary>Null where this host goes.</summary>
    private async Task<JobModel?> WorkAsync()
    {
        try
        {
            await RestoreAsync();
            return await tools.Jobs.Runner.RunAsync(_latest, job => _latest = job, _ending.Token);
        }
        catch (OperationCanceledException) when (_isLeaving)
        {
            return null;
        }
        catch (OperationCanceledException)
        {
            return JobProblems.Cancelled(_latest, tools.Time.GetUtcNow());
        }
        catch (Exception exception)
        {
            LogFailed(logger, order.Job, exception);
            return _latest with { State = JobState.Failed, Phase = null, Error = new("internal_error", exception.Message), EndedAt = tools.Time.GetUtcNow() };
        }
    }

    /// <summary>Files whose owner has just gone with its machine have another in a moment; that is no fault of the job's.</summary>
    private async Task RestoreAsync() => await OwnedState.AskAsync(
        async () =>
        {
            await _folder.RestoreAsync(order.Files);
            return true;
        },
        tools.Time,
        LastWords,
        exception => LogUnheard(logger, order.Job, exception.GetType().Name),
        _ending.Token);

    private async Task FinishAsync(JobModel? ended)
    {
        var began = tools.Time.GetTimestamp();
        while (_isOurs && tools.Time.GetElapsedTime(began) < LastWords)
        {
            try
            {
                if (ended is null) await KeepAsync(CancellationToken.None);
                else await KeepReportAsync(ended);
                if (ended is not null) _latest = ended;
                Heard(await Owner.TellAsync(News(_latest, left: ended is null)).WaitAsync(CallPatience, tools.Time));
                return;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                LogUnheard(logger, order.Job, exception.GetType().Name);
                await Task.Delay(Beat, tools.Time);
            }
        }
    }

    private async Task KeepReportAsync(JobModel ended)
    {
        var path = JobRunner.ReportPath(tools.State, ended);
        if (File.Exists(path) && new FileInfo(path).Length <= JobFolder.LargestFile) await _folder.KeepAsync(JobText.Report, order.Attempt, await File.ReadAllBytesAsync(path));
    }

    private async Task TellAsync(CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            try
            {
                await KeepAsync(over);
                Heard(await Owner.TellAsync(News(_latest, left: false)).WaitAsync(CallPatience, tools.Time, over));
            }
            catch (Exception exception) when (!over.IsCancellationRequested)
            {
                LogUnheard(logger, order.Job, exception.GetType().Name);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await Task.WhenAny(Task.Delay(Beat, tools.Time, over));
        }
    }

    private async Task KeepAsync(CancellationToken cancellationToken)
    {
        foreach (var file in await _folder.KeepAsync(order.Attempt, cancellationToken)) Heard(await Owner.KeptAsync(order.Attempt, file).WaitAsync(CallPatience, tools.Time, cancellationToken));
    }

    private void Heard(JobWord word)
    {
        if (!word.Yours) _isOurs = false;
        if (!word.Yours || word.Cancel) _ending.Cancel();
    }

    private JobNews News(JobModel job, bool left) => new() { Attempt = order.Attempt, Json = JobText.WriteKept(job), Full = JobText.Write(job), Left = left };

    private IJobGrain Owner => grains.GetGrain<IJobGrain>(order.Job);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Job} failed unexpectedly.")]
    private static partial void LogFailed(ILogger logger, string job, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The owner of {Job} did not answer ({Kind}); told again in a second.")]
    private static partial void LogUnheard(ILogger logger, string job, string kind);
}
