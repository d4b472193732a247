using System.Text.Json.Nodes;
using FinerCut.Jobs;

namespace FinerCut.Tests.Processes;

/// <summary>Models:&lt;id&gt;:Device reaches the workers.</summary>
public class DeviceTests
{
    [Fact]
    public async Task A_worker_is_started_with_the_options_of_its_device()
    {
        await using var gateway = await GatewayProcess.StartAsync(settings => settings["Models"]![GatewayProcess.Model]!["Device"] = new JsonObject
        {
            ["GpuLayers"] = -1, ["SplitMode"] = "row", ["MainGpu"] = 1, ["FlashAttention"] = "On", ["KeyType"] = "q8_0", ["ValueType"] = "q4_0",
        });
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        var words = (await File.ReadAllTextAsync($"/proc/{worker}/cmdline")).Replace('\0', ' ');
        Assert.Contains("--n-gpu-layers -1 --split-mode row --main-gpu 1 --flash-attn on --cache-type-k q8_0 --cache-type-v q4_0", words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Types_that_do_not_go_together_are_refused_before_anything_begins()
    {
        await using var gateway = GatewayProcess.Prepare(settings => settings["Models"]![GatewayProcess.Model]!["Device"] = new JsonObject { ["FlashAttention"] = "off", ["ValueType"] = "q8_0" });
        var (code, output) = await GatewayProcess.RunToEndAsync(gateway.Folder);
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains($"Models:{GatewayProcess.Model}:Device:ValueType", output, StringComparison.Ordinal);
    }
}
