using FinerCut.Cluster.Models;
using Orleans.Concurrency;

namespace FinerCut.Cluster.Jobs;

/// <summary>A job that a host is to work on, from where it is.</summary>
[GenerateSerializer, Immutable, Alias("finercut.job-order")]
public sealed record JobOrder
{
    [Id(0)] public required string Job { get; init; }

    /// <summary>Counts the hosts that were asked: whoever works on an earlier attempt is heard no more.</summary>
    [Id(1)] public required int Attempt { get; init; }

    /// <summary>A <see cref="FinerCut.Gateway.Pruning.JobModel"/> as the admin endpoints write it.</summary>
    [Id(2)] public required string Json { get; init; }

    /// <summary>Kept files of the work folder, by their paths in it.</summary>
    [Id(3)] public required string[] Files { get; init; }
}

/// <summary>What a host says of the job that it works on: every second, and at its end.</summary>
[GenerateSerializer, Immutable, Alias("finercut.job-news")]
public sealed record JobNews
{
    [Id(0)] public required int Attempt { get; init; }

    /// <summary>The job, without its progress.</summary>
    [Id(1)] public required string Json { get; init; }

    /// <summary>The job with its progress.</summary>
    [Id(2)] public required string Full { get; init; }

    /// <summary>The host is going: another one is to go on.</summary>
    [Id(3)] public bool Left { get; init; }
}

/// <summary>What the host hears.</summary>
[GenerateSerializer, Immutable, Alias("finercut.job-word")]
public sealed record JobWord
{
    /// <summary>False: another host has it, or it has ended. Nothing of this run counts any more.</summary>
    [Id(0)] public required bool Yours { get; init; }

    /// <summary>An admin wants it to end.</summary>
    [Id(1)] public required bool Cancel { get; init; }
}

/// <summary>All that is known of a job.</summary>
[GenerateSerializer, Immutable, Alias("finercut.job-note")]
public sealed record JobNote
{
    [Id(0)] public required string Job { get; init; }

    /// <summary>With its progress.</summary>
    [Id(1)] public required string Json { get; init; }

    [Id(2)] public required int Attempt { get; init; }
}

/// <summary>A scorer that a host is to start for a job of another.</summary>
[GenerateSerializer, Immutable, Alias("finercut.scorer-order")]
public sealed record ScorerOrder
{
    [Id(0)] public required string Job { get; init; }

    [Id(1)] public required string ModelId { get; init; }

    /// <summary>Of the model's file, lower-case hex: nothing else is scored.</summary>
    [Id(2)] public required string Sha256 { get; init; }

    [Id(3)] public required long Tokens { get; init; }

    [Id(4)] public required int LongestSequence { get; init; }

    [Id(5)] public required long? MemoryBytes { get; init; }

    [Id(6)] public required long Bytes { get; init; }

    /// <summary>The host that has the file.</summary>
    [Id(7)] public required string From { get; init; }

    /// <summary>As the job's: others would reckon otherwise.</summary>
    [Id(8)] public int GpuLayers { get; init; }
}

/// <summary>What came of it.</summary>
[GenerateSerializer, Immutable, Alias("finercut.scorer-outcome")]
public sealed record ScorerOutcome
{
    [Id(0)] public Refusal? Problem { get; init; }

    [Id(1)] public string? Url { get; init; }

    [Id(2)] public string? Key { get; init; }

    /// <summary>Leaves the key out.</summary>
    public override string ToString() => Url ?? Problem?.Code ?? "";
}

/// <summary>A host's process, as jobs see it.</summary>
[Alias("finercut.job-port")]
public interface IJobPort : IGrainObserver
{
    /// <summary>Null where the host has begun; otherwise why it does not.</summary>
    [Alias("begin")]
    Task<Refusal?> BeginAsync(JobOrder order);

    /// <summary>Starts a scorer for a search that runs elsewhere; it ends by itself when nobody asks it any more.</summary>
    [Alias("score"), ResponseTimeout("00:10:00")]
    Task<ScorerOutcome> ScoreAsync(ScorerOrder order);

    [Alias("end-score")]
    Task EndScoreAsync(string job);

    /// <summary>Asks the run to end, if it is still the host's.</summary>
    [Alias("cancel")]
    Task CancelAsync(string job);
}

/// <summary>
/// The one owner of one job in the cluster. It gives the job to a host, keeps what the host found so far, and gives it to another when the host is gone. A reminder in
/// the database brings the owner itself back when its machine is gone.
/// </summary>
[Alias("finercut.job")]
public interface IJobGrain : IGrainWithStringKey
{
    /// <param name="json">The queued job, with its traffic kept as files.</param>
    /// <param name="home">The host that is asked first; null where the machine it was ordered at is none.</param>
    [Alias("order")]
    Task OrderAsync(string json, string? home, string[] files);

    /// <summary>Null where there is no such job.</summary>
    [Alias("read")]
    Task<JobNote?> ReadAsync();

    /// <summary>Null when it is cancelled or about to be.</summary>
    [Alias("cancel")]
    Task<Refusal?> CancelAsync();

    [Alias("tell")]
    Task<JobWord> TellAsync(JobNews news);

    /// <summary>A file of the work folder was kept (<see cref="IJobFileGrain"/>).</summary>
    [Alias("kept")]
    Task<JobWord> KeptAsync(int attempt, string file);
}

/// <summary>One file of a job's work folder, or its report: kept where every host can read it. The key is job/path.</summary>
[Alias("finercut.job-file")]
public interface IJobFileGrain : IGrainWithStringKey
{
    /// <summary>Does nothing where a later attempt has written already.</summary>
    [Alias("write")]
    Task WriteAsync(int attempt, Immutable<byte[]> content);

    [Alias("read")]
    Task<byte[]?> ReadAsync();

    [Alias("clear")]
    Task ClearAsync();
}

/// <summary>The list of all jobs. One in the cluster; its key is <see cref="JobBookGrain.Key"/>.</summary>
[Alias("finercut.job-book")]
public interface IJobBookGrain : IGrainWithStringKey
{
    /// <summary>A number that no other job has or had.</summary>
    [Alias("next")]
    Task<int> NextAsync();

    /// <summary>A job's owner says what is new. The first word puts the job onto the list.</summary>
    [Alias("told")]
    Task ToldAsync(JobNote note);

    /// <summary>Whether the job's turn has come: no older one of the same model waits.</summary>
    [Alias("may-begin")]
    Task<bool> MayBeginAsync(string job);

    /// <summary>What is new since a number that an earlier page had; 0: all.</summary>
    [Alias("read")]
    Task<JobPage> ReadAsync(long since);
}

[GenerateSerializer, Immutable, Alias("finercut.job-page")]
public sealed record JobPage
{
    /// <summary>Grows with every change, whichever machine owns the list.</summary>
    [Id(0)] public required long Number { get; init; }

    [Id(1)] public required JobNote[] Notes { get; init; }
}
