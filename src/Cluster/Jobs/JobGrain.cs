using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Cluster.Quotas;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace FinerCut.Cluster.Jobs;

/// <summary>
/// See <see cref="IJobGrain"/>. Calls interleave at the waits; one change at a time (<see cref="_turn"/>). Every change is written before anybody is told, and the database refuses a
/// second owner's, so a job has one host whose word counts: that of the latest attempt.
/// </summary>
[Reentrant]
public sealed partial class JobGrain(
    [PersistentState("job", QuotaGrain.Storage)] IPersistentState<JobRecord> record, Members members, JobTimes times, TimeProvider time, ILogger<JobGrain> logger) : Grain, IJobGrain, IRemindable
{
    private const string Reminder = "look";

    private readonly SemaphoreSlim _turn = new(1);
    private JobModel? _job;
    private string _full = "";
    private long _heardAt;
    private IGrainTimer? _timer;

    private string Id => this.GetPrimaryKeyString();

    private JobRecord Record => record.State;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (Record.Json.Length == 0) return Task.CompletedTask;
        (_job, _full, _heardAt) = (JobText.Read(Record.Json), Record.Json, time.GetTimestamp());
        if (_job.HasEnded) return Task.CompletedTask;
        BeginLooking();
        // It may never have come onto the list.
        _ = TellBookAsync();
        return Task.CompletedTask;
    }

    public Task ReceiveReminder(string reminderName, TickStatus status) => LookAsync();

    public Task OrderAsync(string json, string? home, string[] files) => InTurnAsync(async () =>
    {
        if (_job is not null) return true;
        (Record.Json, Record.Home, Record.Files) = (json, home, [.. files]);
        await WriteAsync();
        (_job, _full) = (JobText.Read(json), json);
        await this.RegisterOrUpdateReminder(Reminder, times.Reminder, times.Reminder);
        BeginLooking();
        await TellBookAsync();
        return true;
    });

    public Task<JobNote?> ReadAsync() => Task.FromResult(_job is null ? null : Note());

    public async Task<Refusal?> CancelAsync()
    {
        if (_job is null) return Of(JobProblems.NoJob);
        var refusal = await InTurnAsync(async () =>
        {
            if (_job.HasEnded) return Of(JobProblems.Ended(_job));
            Record.CancelAsked = true;
            if (Record.Host is null) await EndAsync(JobProblems.Cancelled(_job, time.GetUtcNow()));
            else await WriteAsync();
            return null;
        });
        // Where this does not reach the host, its next word is answered with it.
        if (refusal is null && Record.Host is { } host) _ = QuietlyAsync(() => Host(host).CancelJobAsync(Id));
        return refusal;
    }

    public Task<JobWord> TellAsync(JobNews news) => InTurnAsync(async () =>
    {
        if (!Is(news.Attempt)) return Word(yours: false);
        _heardAt = time.GetTimestamp();
        _full = news.Full;
        if (news.Json != Record.Json)
        {
            var job = JobText.Read(news.Json);
            if (job.HasEnded)
            {
                await EndAsync(job);
                return Word(yours: true);
            }

            Record.Json = news.Json;
            if (news.Left) (Record.Host, Record.Silo) = (null, null);
            await WriteAsync();
            Took(job);
        }
        else if (news.Left)
        {
            (Record.Host, Record.Silo) = (null, null);
            await WriteAsync();
        }

        await TellBookAsync();
        return Word(yours: true);
    });

    public Task<JobWord> KeptAsync(int attempt, string file) => InTurnAsync(async () =>
    {
        if (!Is(attempt)) return Word(yours: false);
        if (Record.Files.Contains(file)) return Word(yours: true);
        Record.Files.Add(file);
        await WriteAsync();
        return Word(yours: true);
    });

    private bool Is(int attempt) => _job is { HasEnded: false } && Record.Host is not null && attempt == Record.Attempt;

    private JobWord Word(bool yours) => new() { Yours = yours, Cancel = Record.CancelAsked };

    private JobNote Note() => new() { Job = Id, Json = _full, Attempt = Record.Attempt };

    private void BeginLooking() =>
        _timer ??= this.RegisterGrainTimer(LookAsync, new GrainTimerCreationOptions(TimeSpan.FromMilliseconds(50), times.Look) { Interleave = true, KeepAlive = true });

    private async Task EndAsync(JobModel job)
    {
        (Record.Json, Record.Host, Record.Silo) = (JobText.WriteKept(job), null, null);
        await WriteAsync();
        Took(job);
        _full = Record.Json;
        _timer?.Dispose();
        _timer = null;
        await TellBookAsync();
        // Recorded text is in some of them.
        foreach (var file in Record.Files.Where(file => file != JobText.Report)) await QuietlyAsync(() => GrainFactory.GetGrain<IJobFileGrain>(JobText.FileKey(Id, file)).ClearAsync());
        await QuietlyAsync(async () =>
        {
            if (await this.GetReminder(Reminder) is { } reminder) await this.UnregisterReminder(reminder);
        });
    }

    private void Took(JobModel job)
    {
        if (_job?.State != job.State) LogState(logger, Id, job.Model, job.State, job.Error?.Message ?? "");
        _job = job;
    }

    private JobModel Failed(string code, string message) => _job! with { State = JobState.Failed, Phase = null, Error = new JobError(code, message), EndedAt = time.GetUtcNow() };

    private IJobBookGrain Book => GrainFactory.GetGrain<IJobBookGrain>(JobBookGrain.Key);

    private IHostGrain Host(string name) => GrainFactory.GetGrain<IHostGrain>(name);

    private Task TellBookAsync() => QuietlyAsync(() => Book.ToldAsync(Note()));

    private async Task QuietlyAsync(Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (Exception exception)
        {
            LogPuzzled(logger, Id, exception.GetType().Name);
        }
    }

    private async Task<T> InTurnAsync<T>(Func<Task<T>> act)
    {
        await _turn.WaitAsync();
        try
        {
            return await act();
        }
        finally
        {
            _turn.Release();
        }
    }

    private Task WriteAsync() => this.WriteOrLeaveAsync(record);

    private static Refusal Of(Gateway.OpenAi.ApiError error) => new() { Status = error.Status, Code = error.Code, Message = error.Message };

    [LoggerMessage(Level = LogLevel.Information, Message = "{Job} ({Model}) is {State}. {Reason}")]
    private static partial void LogState(ILogger logger, string job, string model, JobState state, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Job}: something did not answer ({Kind}); tried again.")]
    private static partial void LogPuzzled(ILogger logger, string job, string kind);
}
