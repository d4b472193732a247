using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Quotas;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace FinerCut.Cluster.Jobs;

[GenerateSerializer, Alias("finercut.job-file-record")]
public sealed class JobFileRecord
{
    [Id(0)] public byte[] Content { get; set; } = [];

    [Id(1)] public int Attempt { get; set; }
}

/// <summary>See <see cref="IJobFileGrain"/>.</summary>
public sealed class JobFileGrain([PersistentState("file", QuotaGrain.Storage)] IPersistentState<JobFileRecord> record) : Grain, IJobFileGrain
{
    public async Task WriteAsync(int attempt, Immutable<byte[]> content)
    {
        if (attempt < record.State.Attempt) return;
        record.State = new JobFileRecord { Content = content.Value, Attempt = attempt };
        await this.WriteOrLeaveAsync(record);
    }

    public Task<byte[]?> ReadAsync() => Task.FromResult(record.RecordExists && record.State.Content.Length > 0 ? record.State.Content : null);

    public async Task ClearAsync()
    {
        if (record.RecordExists) await record.ClearStateAsync();
        DeactivateOnIdle();
    }
}
