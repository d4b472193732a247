using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Quotas;
using FinerCut.Gateway.Pruning;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace FinerCut.Cluster.Jobs;

[GenerateSerializer, Alias("finercut.job-book-record")]
public sealed class JobBookRecord
{
    [Id(0)] public int Last { get; set; }

    /// <summary>Oldest first.</summary>
    [Id(1)] public List<string> Jobs { get; set; } = [];
}

/// <summary>See <see cref="IJobBookGrain"/>. What stands in the jobs is asked of their owners when this one begins, and told by them from then on.</summary>
[Reentrant]
public sealed class JobBookGrain([PersistentState("book", QuotaGrain.Storage)] IPersistentState<JobBookRecord> record, TimeProvider time) : Grain, IJobBookGrain
{
    public const string Key = "jobs";

    /// <summary>Older ones that have ended are left out of the list.</summary>
    private const int LongestList = 500;

    private readonly Dictionary<string, (JobNote Note, JobModel Job, long Number)> _known = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _writing = new(1);
    private long _number;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        // Higher than any number of an earlier owner: those grew by less than one a microsecond.
        _number = time.GetUtcNow().ToUnixTimeMilliseconds() * 1000;
        foreach (var note in await Task.WhenAll(record.State.Jobs.Select(job => GrainFactory.GetGrain<IJobGrain>(job).ReadAsync())))
        {
            if (note is not null) Keep(note);
        }
    }

    public async Task<int> NextAsync()
    {
        await _writing.WaitAsync();
        try
        {
            record.State.Last++;
            var number = record.State.Last;
            await WriteAsync();
            return number;
        }
        finally
        {
            _writing.Release();
        }
    }

    public async Task ToldAsync(JobNote note)
    {
        var isNew = !_known.ContainsKey(note.Job);
        Keep(note);
        if (!isNew) return;
        await _writing.WaitAsync();
        try
        {
            if (record.State.Jobs.Contains(note.Job)) return;
            record.State.Jobs.Add(note.Job);
            if (record.State.Jobs.Count > LongestList && record.State.Jobs.Find(job => _known.GetValueOrDefault(job).Job is { HasEnded: true }) is { } oldest)
            {
                record.State.Jobs.Remove(oldest);
                _known.Remove(oldest);
            }

            await WriteAsync();
        }
        finally
        {
            _writing.Release();
        }
    }

    public Task<bool> MayBeginAsync(string job) => Task.FromResult(!_known.TryGetValue(job, out var mine)
        || !_known.Values.Any(other => other.Job.Model == mine.Job.Model && other.Job.Number < mine.Job.Number && other.Job.State == JobState.Queued));

    public Task<JobPage> ReadAsync(long since) => Task.FromResult(new JobPage
    {
        Number = _number,
        Notes = [.. _known.Values.Where(known => known.Number > since).OrderBy(known => known.Job.Number).Select(known => known.Note)],
    });

    private void Keep(JobNote note)
    {
        if (_known.TryGetValue(note.Job, out var known) && known.Note.Json == note.Json) return;
        _known[note.Job] = (note, JobText.Read(note.Json), ++_number);
    }

    private Task WriteAsync() => this.WriteOrLeaveAsync(record);
}
