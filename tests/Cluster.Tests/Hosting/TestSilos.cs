using System.Collections.Concurrent;
using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Models;
using FinerCut.Cluster.Quotas;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Storage;
using Orleans.TestingHost;

namespace FinerCut.Tests.Cluster;

/// <summary>Silos in this process, each as a machine of the cluster has it but for members and states, which are kept in memory.</summary>
public sealed class TestSilos : IAsyncDisposable
{
    private readonly InProcessTestCluster _cluster;

    private TestSilos(InProcessTestCluster cluster) => _cluster = cluster;

    public SharedStorage Storage { get; private init; } = null!;

    public IReadOnlyList<InProcessSiloHandle> All => [.. _cluster.Silos];

    public static async Task<TestSilos> StartAsync(short count)
    {
        var (storage, reminders) = (new SharedStorage(), new SharedReminders());
        var builder = new InProcessTestClusterBuilder(count);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton(TimeProvider.System);
            silo.Services.AddKeyedSingleton<IGrainStorage>(QuotaGrain.Storage, storage);
            silo.AddReminders();
            silo.Services.AddSingleton<IReminderTable>(reminders);
            silo.Configure<ReminderOptions>(options => (options.MinimumReminderPeriod, options.RefreshReminderListPeriod) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)));
            silo.Services.AddSingleton(new JobTimes(TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(15), TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500)));
            silo.Configure<ClusterMembershipOptions>(ClusterDoor.Detection);
            ClusterDoor.AddParts(silo);
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new TestSilos(cluster) { Storage = storage };
    }

    public IGrainFactory Grains(int silo) => Services(silo).GetRequiredService<IGrainFactory>();

    public Members Members(int silo) => Services(silo).GetRequiredService<Members>();

    public Task KillAsync(InProcessSiloHandle silo) => _cluster.KillSiloAsync(silo);

    /// <summary>The silo that a grain is on now.</summary>
    public async Task<InProcessSiloHandle> OwnerAsync(IAddressable grain)
    {
        var address = await Services(0).GetRequiredService<IGrainFactory>().GetGrain<IManagementGrain>(0).GetActivationAddress(grain);
        return All.Single(silo => silo.SiloAddress.Equals(address));
    }

    private IServiceProvider Services(int silo) => _cluster.GetSiloServiceProvider(All[silo].SiloAddress);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();
}

/// <summary>States that outlive silos, with the check of versions that a database makes.</summary>
public sealed class SharedStorage : IGrainStorage
{
    private readonly ConcurrentDictionary<(string, GrainId), (int Version, string Json)> _states = new();

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        if (!_states.TryGetValue((stateName, grainId), out var found)) return Task.CompletedTask;
        (grainState.State, grainState.ETag, grainState.RecordExists) = (System.Text.Json.JsonSerializer.Deserialize<T>(found.Json)!, $"{found.Version}", true);
        return Task.CompletedTask;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        var json = System.Text.Json.JsonSerializer.Serialize(grainState.State);
        var written = _states.AddOrUpdate(
            (stateName, grainId),
            _ => (1, json),
            (_, known) => $"{known.Version}" == grainState.ETag ? (known.Version + 1, json) : throw new InconsistentStateException("Somebody else has written."));
        (grainState.ETag, grainState.RecordExists) = ($"{written.Version}", true);
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        _states.TryRemove((stateName, grainId), out _);
        return Task.CompletedTask;
    }
}
