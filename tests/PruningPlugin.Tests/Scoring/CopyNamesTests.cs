using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Tests.Scoring;

public class CopyNamesTests
{
    [Theory]
    [InlineData("Vulkan0#ffn_out-1#0", "ffn_out-1")]
    [InlineData("CUDA1#l_out-31 (view)#2", "l_out-31 (view)")]
    [InlineData("CPU#node_927#0", "node_927")]
    [InlineData("Vulkan0##0", null)]
    [InlineData("Vulkan0#cut at its en", null)]
    [InlineData("ffn_out-1", null)]
    [InlineData("", null)]
    public void A_copy_is_named_after_what_it_is_a_copy_of(string name, string? original)
    {
        Assert.Equal(original is not null, CopyNames.TryParse(name, out var found));
        Assert.Equal(original ?? "", found);
    }
}
