using System.Globalization;
using FinerCut.Runtime;

namespace FinerCut.Tests.Serving;

/// <summary>What a worker lies in, as the system counts it (/proc/PID/smaps_rollup).</summary>
public class LargePagesTests
{
    private const string Switch = "/sys/kernel/mm/transparent_hugepage/enabled";

    [Fact]
    public async Task A_small_models_weights_and_cells_lie_in_large_pages_where_the_system_has_them()
    {
        if (!File.Exists(Switch) || File.ReadAllText(Switch).Contains("[never]", StringComparison.Ordinal)) Assert.Skip($"{Switch} says never.");
        var weights = new FileInfo(WorkerUnderTest.RealModel).Length;
        Assert.InRange(await LargeAsync(), weights * 3 / 4, long.MaxValue);
        // Mapped from the file they cannot: nothing but cells is left, of 2,048 tokens 47 MB.
        Assert.InRange(await LargeAsync("--mmap"), 20_000_000, weights * 3 / 4);
    }

    [Theory]
    [InlineData(null, "glibc.malloc.hugetlb=1")]
    [InlineData("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.hugetlb=1")]
    [InlineData("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0")]
    public void What_an_operator_says_of_them_has_the_last_word(string? said, string told)
    {
        var environment = new Dictionary<string, string?>();
        if (said is not null) environment[LargePages.Variable] = said;
        LargePages.Want(environment);
        Assert.Equal(told, environment[LargePages.Variable]);
    }

    private static async Task<long> LargeAsync(params string[] arguments)
    {
        await using var worker = await WorkerUnderTest.ListenAsync(WorkerUnderTest.RealModel, ["--ctx-size", "2048", .. arguments]);
        await WorkerUnderTest.EventuallyAsync(async () => (await worker.Http.GetAsync("/health")).IsSuccessStatusCode);
        var line = File.ReadLines($"/proc/{worker.ProcessId}/smaps_rollup").Single(line => line.StartsWith("AnonHugePages:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
