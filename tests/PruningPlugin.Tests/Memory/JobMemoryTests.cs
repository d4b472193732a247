using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Memory;

namespace FinerCut.Pruning.Tests.Memory;

public class JobMemoryTests
{
    /// <summary>Llama-3-70B's shape at Q4_K: 80 blocks of 64 heads, 8 KV heads, 28,672 channels; here with a vocabulary of 150,000. docs/scaling.md shows these figures.</summary>
    internal static readonly ModelShape Large = new(
        "llama", 8192, 128, 150_000, [.. Enumerable.Repeat(new BlockShape(64, 8, 28_672, 85_000_000, 396_000_000), 80)], 40_000_000_000);

    [Fact]
    public void What_is_given_is_kept_to_and_what_is_needed_is_told()
    {
        foreach (var given in new[] { 32L << 30, 48L << 30, 64L << 30 })
        {
            var request = Request with { MemoryBytes = given, Healing = HealingKind.None };
            if (JobMemory.Misfit(Large, request, Large.TensorBytes) is { } told)
            {
                Assert.Equal(32L << 30, given);
                Assert.Contains("are needed beside its weights", told, StringComparison.Ordinal);
            }
            else Assert.InRange(JobMemory.Plan(Large, request, Large.TensorBytes).Peak, 1L << 30, given);
        }
    }

    [Fact]
    public void More_memory_is_used_for_exacter_forms()
    {
        var small = JobMemory.Plan(Large, Request with { MaxCalibrationTokens = 100_000 }, 0);
        Assert.Equal(100_000L * ((8 * 256) + 8), small.Reference);
        var large = JobMemory.Plan(Large, Request with { MemoryBytes = 400L << 30, MaxCalibrationTokens = 100_000 }, 0);
        Assert.Equal(100_000L * 150_000 * 4, large.Reference);
        Assert.True(large.States > small.States);
    }

    internal static PruneRequest Request => new()
    {
        JobId = "j", ModelPath = "m", OutputPath = "o", WorkFolder = "w", CalibrationPath = "c", HeldOutPath = "h", Budget = new PruneBudget(Fraction: 0.2),
    };
}
