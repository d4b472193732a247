using System.Globalization;
using System.Text.Json;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Storage;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Pruning;

/// <summary>Takes one job from its start (or from where it was) to its end. Keeps nothing itself: the job's model and its work folder are the state.</summary>
public sealed class JobRunner(LiveConfig live, StateFolder state, TrafficExport export, PruneProcess prune, IVersionDirectory versions, TimeProvider time)
{
    /// <summary>Set once, before the first job, in a cluster; null: searches are scored here alone.</summary>
    public IScorerSource? Scorers { get; set; }

    /// <summary>Returns the job as it ended. Throws only when cancelled; the work folder is left for a resumption then.</summary>
    /// <param name="job">Queued or running.</param>
    /// <param name="update">Takes every newer model of the job.</param>
    /// <param name="cancellationToken">Ends the work, whoever asked.</param>
    public async Task<JobModel> RunAsync(JobModel job, Action<JobModel> update, CancellationToken cancellationToken)
    {
        if (versions.Versions(job.Model) is not { } rollout) return Ended(job, JobState.Failed, "model_gone", $"The model {job.Model} is not in the settings any more.");
        var folder = Folder(job);
        Directory.CreateDirectory(folder);
        prune.EndOrphan(folder);
        job = job with { State = JobState.Running, Phase = JobPhase.Pruning, StartedAt = job.StartedAt ?? time.GetUtcNow() };
        update(job);
        // A machine that goes on with another's job may have all of it but the file.
        if (job.Result is null || !File.Exists(state.VersionPath(job.Model, job.Version)))
        {
            job = job with { Result = null };
            if (prune.Reserve(job.Id, rollout.Model, job.Order) is { } tooLarge) return Ended(job, JobState.Failed, tooLarge.Code, tooLarge.Message);
            try
            {
                (job, var ended) = await PruneAsync(job, rollout.Model, folder, update, cancellationToken);
                if (ended) return job;
            }
            finally
            {
                prune.Release(job.Id);
                if (Scorers is not null) await Scorers.GiveBackAsync(job);
            }
        }

        return await RollOutAsync(job, rollout, update, cancellationToken);
    }

    /// <summary>Where the Worker writes a job's report.</summary>
    public static string ReportPath(StateFolder state, JobModel job)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(job);
        return state.VersionPath(job.Model, job.Version) + ".report.html";
    }

    /// <summary>Its own folder while it runs.</summary>
    public static string WorkFolder(StateFolder state, JobModel job)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(job);
        return state.Of("jobs", job.Id);
    }

    /// <summary>The id of the version that a job makes.</summary>
    public string VersionOf(int job) => versions.NameOf(job);

    /// <summary>An order as it is taken up, with what the settings decide of it.</summary>
    public PruneOrder Settled(PruneOrder order)
    {
        ArgumentNullException.ThrowIfNull(order);
        return order.Settled(live.Jobs);
    }

    public void Clean(JobModel job)
    {
        if (Directory.Exists(Folder(job))) Directory.Delete(Folder(job), recursive: true);
    }

    private string Folder(JobModel job) => WorkFolder(state, job);

    /// <summary>Ends the job, or leaves it with the result of a version that passed.</summary>
    private async Task<(JobModel Job, bool Ended)> PruneAsync(JobModel job, ModelConfig model, string folder, Action<JobModel> update, CancellationToken cancellationToken)
    {
        if (job.Traffic is null)
        {
            if (export.TooFew(job.Model) is { } tooFew) return (Ended(job, JobState.Failed, tooFew.Code, tooFew.Message), true);
            job = job with { Traffic = export.Write(job.Id, job.Model, job.Order.Seed, folder) };
            update(job);
        }

        var request = Request(job, model, folder);
        if (Scorers is not null) request = request with { Scorers = await Scorers.BorrowAsync(job, cancellationToken) };
        Directory.CreateDirectory(Path.GetDirectoryName(request.OutputPath)!);
        StateFolder.WriteWhole(Path.Combine(folder, "job.json"), JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest));
        while (true)
        {
            var latest = job;
            var run = await prune.RunAsync(job.Id, folder, new Relay(progress => update(latest = latest.Heard(progress))), cancellationToken);
            job = run.Result is null ? latest : latest with { Steps = [] };
            cancellationToken.ThrowIfCancellationRequested();
            switch (run.Result)
            {
                case { Outcome: PruneOutcome.Passed } passed when File.Exists(request.OutputPath):
                    job = job with { Result = passed };
                    update(job);
                    return (job, false);
                case { Outcome: PruneOutcome.Passed }:
                    return (Ended(job, JobState.Failed, "output_missing", $"The Worker reports success, but {request.OutputPath} is not there."), true);
                case { Outcome: PruneOutcome.Refused } refused:
                    return (await RefuseAsync(job with { Result = refused }, request), true);
                case { Outcome: PruneOutcome.Failed } failed:
                    return (Ended(job with { Result = failed }, JobState.Failed, failed.Error?.Code ?? "failed", failed.Error?.Message ?? run.Epitaph), true);
                case null when run.ExitCode is ExitCode.BadInput or ExitCode.DiskFull or ExitCode.Failed:
                    return (Ended(job, JobState.Failed, run.ExitCode == ExitCode.DiskFull ? "disk_full" : "worker_failed", run.Epitaph), true);
                default:
                    job = job with { Deaths = job.Deaths + 1 };
                    update(job);
                    if (job.Deaths < live.Jobs.MaxAttempts) continue;
                    return (Ended(job, JobState.Failed, "worker_died", $"The Worker died {job.Deaths} times of this job (Jobs:MaxAttempts). {run.Epitaph}"), true);
            }
        }
    }

    private async Task<JobModel> RollOutAsync(JobModel job, IModelVersions rollout, Action<JobModel> update, CancellationToken cancellationToken)
    {
        var path = state.VersionPath(job.Model, job.Version);
        job = job with { Phase = JobPhase.Rollout };
        update(job);
        await rollout.RegisterAsync(
            new VersionModel(job.Version, VersionState.Registered, path, new FileInfo(path).Length, job.Id, time.GetUtcNow()),
            $"Passed the gate: {Figures(job.Result!)}.");

        if (job.Order.Promote && await rollout.RollOutAsync(job.Version, $"{job.Id} passed the gate.", cancellationToken) is { } problem)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Ended(job, JobState.Failed, problem.Code, problem.Message);
        }

        return job with { State = JobState.Passed, Phase = null, EndedAt = time.GetUtcNow() };
    }

    private async Task<JobModel> RefuseAsync(JobModel job, PruneRequest request)
    {
        var why = $"Refused by the gate: {Figures(job.Result!)}.";
        await versions.Versions(job.Model)!.RegisterAsync(new VersionModel(job.Version, VersionState.Refused, request.OutputPath, 0, job.Id, time.GetUtcNow()), why);
        return Ended(job, JobState.Refused, "refused_by_gate", why);
    }

    private JobModel Ended(JobModel job, JobState how, string code, string message) =>
        job with { State = how, Phase = null, Error = new JobError(code, message), EndedAt = time.GetUtcNow() };

    private PruneRequest Request(JobModel job, ModelConfig model, string folder)
    {
        var order = job.Order;
        var plain = new PruneRequest
        {
            JobId = job.Id,
            ModelPath = model.Path,
            OutputPath = state.VersionPath(job.Model, job.Version),
            WorkFolder = folder,
            CalibrationPath = Path.Combine(folder, TrafficExport.CalibrationFile),
            HeldOutPath = Path.Combine(folder, TrafficExport.HeldOutFile),
            Budget = order.Budget,
            Search = order.Search,
            Distance = order.Distance,
            DistanceTokens = order.DistanceTokens,
            TopK = order.TopK,
            Healing = order.Healing,
            Grains = order.Grains,
            SlicesPerFfn = order.SlicesPerFfn,
            ChannelOrder = order.ChannelOrder,
            Gate = order.Gate,
            Keep = order.Keep,
            Only = order.Only,
            WarmUp = order.WarmUp,
            TopUp = order.TopUp,
            MemoryBytes = order.MemoryBytes,
            Seed = order.Seed,
            Threads = order.Threads ?? live.Jobs.Threads,
            GpuLayers = order.GpuLayers ?? 0,
            Yield = live.Jobs.Yield,
        };
        return plain with
        {
            MaxCalibrationTokens = order.MaxCalibrationTokens ?? plain.MaxCalibrationTokens,
            MaxHealingTokens = order.MaxHealingTokens ?? plain.MaxHealingTokens,
            MaxHeldOutTokens = order.MaxHeldOutTokens ?? plain.MaxHeldOutTokens,
            MaxSequenceTokens = order.MaxSequenceTokens ?? plain.MaxSequenceTokens,
            MinTokens = order.MinTokens ?? plain.MinTokens,
        };
    }

    private static string Figures(PruneResult result) => result.Gate is not { } gate ? "no figures" : string.Join(", ", gate.Checks.Select(check => string.Create(
        CultureInfo.InvariantCulture,
        $"{check.Name} {check.Value.Mean:0.####} [{check.Value.Low:0.####}, {check.Value.High:0.####}] {(check.Passed ? "keeps" : "breaks")} {check.Limit:0.####}")));

    /// <summary>Unlike Progress{T}, reports in order, on the caller's thread.</summary>
    private sealed class Relay(Action<PruneProgress> take) : IProgress<PruneProgress>
    {
        public void Report(PruneProgress value) => take(value);
    }
}
