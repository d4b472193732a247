using System.Globalization;
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

    /// <summary>Whatever is most of it: the compact reference with little healing, healing with much, matrices where the surgeon searches.</summary>
    [Theory]
    [InlineData(100_000, 1024, HealingKind.None)]
    [InlineData(4000, 7777, HealingKind.None)]
    [InlineData(2560, 20_480, HealingKind.Refit)]
    public void With_what_is_told_as_needed_the_plan_is_kept_to(int calibration, int healing, HealingKind kind)
    {
        var request = Request with { MaxCalibrationTokens = calibration, MaxHealingTokens = healing, Healing = kind, TopK = 1001 };
        var told = JobMemory.Misfit(Large, request with { MemoryBytes = 1 }, 0)!;
        var needed = long.Parse(told.Split("few for this model; ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.Null(JobMemory.Misfit(Large, request with { MemoryBytes = needed }, 0));
        Assert.NotNull(JobMemory.Misfit(Large, request with { MemoryBytes = needed - 1 }, 0));
        var plan = JobMemory.Plan(Large, request with { MemoryBytes = needed }, 0);
        Assert.True(plan.Reference > 0, "there is room for a reference");
        Assert.InRange(plan.Peak, 1, needed);
        Assert.InRange(JobMemory.HeapLimit(Large, request with { MemoryBytes = needed })!.Value - plan.Reference - plan.States, (needed - plan.Process - plan.Session) / 8, needed);
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
