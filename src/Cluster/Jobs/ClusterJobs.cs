using System.Text.RegularExpressions;
using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Pruning;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace FinerCut.Cluster.Jobs;

/// <summary>The cluster's jobs as this machine's admins see and order them. A job runs on what was recorded at the machine it is ordered at. Thread-safe.</summary>
internal sealed partial class ClusterJobs(IGrainFactory grains, ClusterConfig config, Members members, JobTools tools, ILogger<ClusterJobs> logger) : IJobDirectory
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private Task _watching = Task.CompletedTask;

    /// <summary>From here on, listeners of this machine hear of every machine's jobs.</summary>
    public void Start(TimeProvider time) => _watching = Task.Run(() => WatchAsync(time));

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
    }

    public async Task<IReadOnlyList<JobModel>> AllAsync() => [.. (await Book.ReadAsync(0).WaitAsync(Patience)).Notes.Select(note => JobText.Read(note.Json))];

    public async Task<JobModel?> FindAsync(string id) => JobId().IsMatch(id) && await Owner(id).ReadAsync().WaitAsync(Patience) is { } note ? JobText.Read(note.Json) : null;

    public async Task<(JobModel? Job, ApiError? Problem)> OrderAsync(string modelId, PruneOrder order)
    {
        if (tools.Live.Find(modelId) is not { IsExternal: false }) return (null, JobProblems.NoModel);
        if (tools.Export.TooFew(modelId) is { } tooFew) return (null, ApiError.Conflict(tooFew.Message, tooFew.Code));
        var book = await grains.GetGrain<IModelGrain>(modelId).ReadAsync().WaitAsync(Patience);
        if (book.Hosts.Length == 0) return (null, ApiError.Unavailable("There is no host in the cluster now that could work on it.", "no_host"));
        var number = await Book.NextAsync().WaitAsync(Patience);
        var job = new JobModel
        {
            Id = $"job-{number}",
            Number = number,
            Model = modelId,
            Version = tools.Runner.VersionOf(number),
            State = JobState.Queued,
            Order = tools.Runner.Settled(order),
            CreatedAt = TimeProvider.System.GetUtcNow(),
        };
        job = job with { Traffic = await KeepTrafficAsync(job) };
        await Owner(job.Id).OrderAsync(JobText.Write(job), config.IsHost ? members.Name : null, [TrafficExport.CalibrationFile, TrafficExport.HeldOutFile]).WaitAsync(Patience);
        return (job, null);
    }

    public async Task<ApiError?> CancelAsync(string id) => !JobId().IsMatch(id) ? JobProblems.NoJob : (await Owner(id).CancelAsync().WaitAsync(Patience))?.ToError();

    public async Task<byte[]?> ReportAsync(JobModel job)
    {
        ArgumentNullException.ThrowIfNull(job);
        return await File(job.Id, JobText.Report).ReadAsync().WaitAsync(Patience);
    }

    /// <summary>Draws the two sets here and keeps them where any host can read them, until the job has ended.</summary>
    private async Task<JobTraffic> KeepTrafficAsync(JobModel job)
    {
        var folder = Directory.CreateDirectory(tools.State.Of("ordered", job.Id)).FullName;
        try
        {
            var traffic = tools.Export.Write(job.Id, job.Model, job.Order.Seed, folder);
            foreach (var file in (string[])[TrafficExport.CalibrationFile, TrafficExport.HeldOutFile])
            {
                await File(job.Id, file).WriteAsync(0, (await System.IO.File.ReadAllBytesAsync(Path.Combine(folder, file))).AsImmutable()).WaitAsync(Patience);
            }

            return traffic;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private async Task WatchAsync(TimeProvider time)
    {
        using var timer = new PeriodicTimer(Beat, time);
        var since = 0L;
        while (true)
        {
            try
            {
                await timer.WaitForNextTickAsync(_stopping.Token);
                var page = await Book.ReadAsync(since).WaitAsync(Patience, time, _stopping.Token);
                // What was before this machine came is no news.
                foreach (var note in since == 0 ? [] : page.Notes) tools.Hub.Publish(new AdminEvent("job", note.Job, JobText.Read(note.Json)));
                since = Math.Max(1, page.Number);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                LogUnheard(logger, exception.GetType().Name);
            }
        }
    }

    private IJobBookGrain Book => grains.GetGrain<IJobBookGrain>(JobBookGrain.Key);

    private IJobGrain Owner(string id) => grains.GetGrain<IJobGrain>(id);

    private IJobFileGrain File(string job, string path) => grains.GetGrain<IJobFileGrain>(JobText.FileKey(job, path));

    [GeneratedRegex("^job-[0-9]{1,9}$")]
    private static partial Regex JobId();

    [LoggerMessage(Level = LogLevel.Warning, Message = "The list of jobs did not answer ({Kind}); asked again in a second.")]
    private static partial void LogUnheard(ILogger logger, string kind);
}
