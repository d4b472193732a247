using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Memory;
using FinerCut.Gguf;
using FinerCut.Runtime;

namespace FinerCut.Tests.Memory;

public class MemoryLedgerTests
{
    private static readonly string Model = Path.Combine(AppContext.BaseDirectory, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    [Fact]
    public void A_model_in_several_files_is_forecast_as_a_whole()
    {
        var folder = Directory.CreateTempSubdirectory("finercut-ledger-").FullName;
        try
        {
            using var file = GgufFile.Open(Model);
            var shards = GgufSplitter.Write(new GgufEdit(file), Path.Combine(folder, "m"), 40_000_000);
            Assert.Equal(3, shards.Count);
            Assert.Equal(Forecasts.OfWorker(Model, 1024, 1), Forecasts.OfWorker(shards[0].Path, 1024, 1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_forecast_follows_the_files_metadata()
    {
        var small = Forecasts.OfWorker(Model, 1024, 1);
        var large = Forecasts.OfWorker(Model, 8192, 1);
        Assert.Equal(23_040L * 1024, small.Kv);
        Assert.Equal(8 * small.Kv, large.Kv);
        Assert.Equal(small.Weights, large.Weights);
        Assert.InRange(small.Weights, 90_000_000, 105_000_000);
        Assert.True(Forecasts.OfJob(Model, 5120, 256).Process > 5120L * 49152 * 4);
    }

    [Theory]
    [InlineData(KvType.F32, KvType.F32, 23_040L * 2048)]
    [InlineData(KvType.F16, KvType.Q8_0, (23_040L * 512) + (23_040L * 272))]
    [InlineData(KvType.Q8_0, KvType.Q4_0, (23_040L * 272) + (23_040L * 144))]
    public void A_forecast_follows_the_types_of_the_kv_memory(KvType keys, KvType values, long bytes) =>
        Assert.Equal(bytes, Forecasts.OfWorker(Model, 1024, 1, new DeviceConfig { KeyType = keys, ValueType = values }).Kv);

    /// <summary>What a file claims is anybody's number: it neither wraps around (and fits), nor throws past those who ask.</summary>
    [Theory]
    [InlineData(long.MaxValue / 2)]
    [InlineData(1L << 40)]
    [InlineData(-(1L << 40))]
    public void Numbers_that_no_machine_can_hold_do_not_fit_and_do_no_more(long claimed)
    {
        var path = Path.Combine(Path.GetTempPath(), $"finercut-forecast-{Guid.NewGuid():N}.gguf");
        try
        {
            GgufWriter.Write(new GgufEdit()
                .Set(GgufKeys.Architecture, "fake")
                .Set("fake.block_count", GgufValue.Of(4))
                .Set("fake.embedding_length", GgufValue.Of((ulong)Math.Abs(claimed)))
                .Set("fake.attention.head_count", GgufValue.ArrayOf<long>(claimed, claimed, claimed, claimed))
                .Set("fake.attention.key_length", GgufValue.Of(ulong.MaxValue))
                .Set("fake.feed_forward_length", GgufValue.ArrayOf<ulong>(ulong.MaxValue, 1)), path);
            foreach (var forecast in (MemoryForecast[])[Forecasts.OfWorker(path, 4096, 4), Forecasts.OfJob(path, 4096, 256)])
            {
                Assert.All((long[])[forecast.Weights, forecast.Kv, forecast.Compute, forecast.Process], bytes => Assert.InRange(bytes, 0, long.MaxValue));
                Assert.True(forecast.Total > 1L << 49, forecast.ToString());
                Assert.False(new MemoryLedger(new MemoryConfig(1L << 40, 0), long.MaxValue).TryReserve(new MemoryEntry("a/full", "a", forecast)));
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task A_model_that_is_wanted_while_it_wakes_is_woken_again()
    {
        var began = new SemaphoreSlim(0);
        var go = new SemaphoreSlim(0);
        var wakes = new Wakes(async _ =>
        {
            began.Release();
            await go.WaitAsync();
        });
        wakes.Want("m");
        await began.WaitAsync().WaitAsync(TimeSpan.FromMinutes(2));
        // Unloaded just now: the wake that runs looked before that.
        wakes.Want("m");
        wakes.Want("m");
        go.Release();
        Assert.True(await began.WaitAsync(TimeSpan.FromMinutes(2)), "The second wish was lost.");
        go.Release();

        // Both wishes were one wake, and nothing is left over from them.
        wakes.Want("other");
        await began.WaitAsync().WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(0, began.CurrentCount);
        go.Release();
    }

    [Fact]
    public void Nothing_is_reserved_beyond_the_limit_and_the_refusal_has_the_figures()
    {
        var ledger = new MemoryLedger(new MemoryConfig(1000 << 20, 0), long.MaxValue);
        Assert.True(ledger.TryReserve(Entry("a/full", 600)));
        Assert.True(ledger.TryReserve(Entry("a/full", 600)));
        Assert.False(ledger.TryReserve(Entry("b/full", 401)));
        var message = ledger.DoesNotFit(Entry("b/full", 401)).Message;
        foreach (var part in (string[])["b/full would need 401 MiB", "of 1000 MiB", "400 MiB are free", "a/full 600 MiB"]) Assert.Contains(part, message, StringComparison.Ordinal);
        ledger.Release("a/full");
        Assert.True(ledger.TryReserve(Entry("b/full", 401)));
        Assert.Equal(401L << 20, ledger.Held);
        Assert.Equal(700L << 20, new MemoryLedger(new MemoryConfig(0, 300 << 20), 1000L << 20).Limit);
    }

    [Fact]
    public void The_smallest_limit_of_machine_and_control_groups_holds()
    {
        var root = Directory.CreateTempSubdirectory("finercut-cgroup-");
        Write("proc/meminfo", "MemTotal:       2048 kB\nMemFree: 1 kB\n");
        Assert.Equal(2048 << 10, MachineMemory.Limit(root.FullName));
        Write("proc/self/cgroup", "4:memory:/x\n0::/pod/app\n");
        Write("sys/fs/cgroup/pod/app/memory.max", "max\n");
        Write("sys/fs/cgroup/pod/memory.max", "1500000\n");
        Assert.Equal(1_500_000, MachineMemory.Limit(root.FullName));
        Write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1400000\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal(1_400_000, MachineMemory.Limit(root.FullName));
        root.Delete(recursive: true);

        void Write(string path, string text)
        {
            var full = Path.Combine(root.FullName, path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            File.WriteAllText(full, text);
        }
    }

    [Fact]
    public void Eviction_takes_the_cheapest_bytes_and_nothing_in_vain()
    {
        EvictionCandidate[] idle = [Of("fast-long-idle", 100, 1, 1000), Of("slow-long-idle", 100, 50, 1000), Of("fast-just-used", 100, 1, 1), Of("small", 10, 1, 1000)];
        Assert.Equal(["fast-long-idle"], Choose(60));
        Assert.Equal(["fast-long-idle", "small"], Choose(105).Order());
        Assert.Equal(["fast-just-used", "fast-long-idle", "slow-long-idle"], Choose(290).Order());
        Assert.Null(Eviction.Choose(idle, 311));
        Assert.Empty(Eviction.Choose(idle, 0)!);

        IEnumerable<string> Choose(long bytes) => Eviction.Choose(idle, bytes)!.Select(candidate => candidate.ModelId);

        static EvictionCandidate Of(string id, long bytes, int reload, int idle) => new(id, bytes, TimeSpan.FromSeconds(reload), TimeSpan.FromSeconds(idle));
    }

    private static MemoryEntry Entry(string id, long mib) => new(id, "m", new MemoryForecast(mib << 20, 0, 0, 0));
}
