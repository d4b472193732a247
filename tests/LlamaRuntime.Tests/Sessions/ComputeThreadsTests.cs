using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

/// <summary>Where threads compute: one to a processor where they are as many, and nobody is held outside of a decode.</summary>
[Collection(nameof(RealModelTests))]
public sealed class ComputeThreadsTests(RealModel real)
{
    [Theory]
    [InlineData(4, 4, new[] { 0, 1, 2, 3 }, new[] { 0, 1, 2, 3 })]
    [InlineData(2, 2, new[] { 5, 511 }, new[] { 5, 511 })]
    [InlineData(2, 2, new[] { 5, 512 }, new int[0])]
    [InlineData(3, 3, new[] { 0, 1, 2, 3 }, new int[0])]
    [InlineData(4, 4, new[] { 0, 1 }, new int[0])]
    [InlineData(1, 2, new[] { 0, 1 }, new int[0])]
    [InlineData(2, 1, new[] { 0, 1 }, new int[0])]
    [InlineData(1, 1, new[] { 0 }, new int[0])]
    [InlineData(2, 2, new int[0], new int[0])]
    public void Threads_are_held_where_each_has_a_processor_of_its_own(int threads, int batchThreads, int[] allowed, int[] held) =>
        Assert.Equal(held, ComputeThreads.Held(threads, batchThreads, allowed));

    [Fact]
    public void As_many_threads_as_processors_have_one_each_while_they_decode()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.ProcessorCount > 1, "Threads are held on Linux, where there is more than one processor.");
        var allowed = Processors.Allowed();
        Assert.SkipUnless(allowed.Length == Environment.ProcessorCount, "This container has a part of its processors' time.");
        var everywhere = List("/proc/self/status");
        var own = "";
        HashSet<string> all = [];
        Decode(allowed.Length, () =>
        {
            own = List("/proc/thread-self/status");
            all = [.. Directory.GetDirectories("/proc/self/task").Select(task => List(Path.Combine(task, "status")))];
        });
        // Which of them is the decoding thread's depends on the library: with OpenMP (LLamaSharp's) it is the first.
        var each = allowed.Select(processor => $"{processor}").ToHashSet();
        Assert.Contains(own, each);
        Assert.Superset(each, all);
        Assert.Equal(everywhere, List("/proc/thread-self/status"));
    }

    [Fact]
    public void A_thread_that_is_begun_within_a_decode_may_run_anywhere()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.ProcessorCount > 1, "Threads are held on Linux, where there is more than one processor.");
        var begun = "";
        Decode(Environment.ProcessorCount, () =>
        {
            var thread = new Thread(() => begun = List("/proc/thread-self/status"));
            thread.Start();
            thread.Join();
        });
        Assert.Equal(List("/proc/self/status"), begun);
    }

    [Fact]
    public void One_thread_is_not_held()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux tells where a thread may run.");
        var own = "";
        Decode(1, () => own = List("/proc/thread-self/status"));
        Assert.Equal(List("/proc/self/status"), own);
    }

    /// <summary>Looks once, within the decode, on the thread that decodes.</summary>
    private void Decode(int threads, Action look)
    {
        var looked = false;
        using var session = real.Model.Open(new SessionOptions
        {
            ContextLength = 64,
            Threads = threads,
            GraphObserver = new AfterABlock(() =>
            {
                look();
                looked = true;
            }),
        });
        var batch = new TokenBatch(1);
        batch.Add(1, 0, 0, logits: true);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.True(looked);
    }

    private static string List(string status)
    {
        try
        {
            return File.ReadLines(status).First(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))["Cpus_allowed_list:".Length..].Trim();
        }
        catch (IOException)
        {
            return ""; // A thread that has ended meanwhile.
        }
    }

    /// <summary>Once a product of matrices is computed all threads have met: each has begun, and is where it is held.</summary>
    private sealed class AfterABlock(Action look) : IGraphObserver
    {
        public bool OnNode(GraphNode node, bool ask)
        {
            if (ask) return node.Name == "ffn_out-0";
            look();
            return true;
        }
    }
}
