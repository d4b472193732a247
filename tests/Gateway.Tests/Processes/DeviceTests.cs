using System.Text.Json.Nodes;
using FinerCut.Gguf;
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
    public async Task The_ledger_reckons_with_the_types_of_the_kv_memory()
    {
        await using var gateway = GatewayProcess.Prepare(settings => settings["Models"]![GatewayProcess.Model]!["Device"] = new JsonObject { ["KeyType"] = "f32", ["ValueType"] = "f32" });
        GgufWriter.Write(new GgufEdit().Set(GgufKeys.Architecture, "fake").Set("fake.block_count", GgufValue.Of(2)).Set("fake.embedding_length", GgufValue.Of(64))
            .Set("fake.attention.head_count", GgufValue.Of(4)), Path.Combine(gateway.Folder, "tiny.gguf"));
        await gateway.RunAsync();
        // Keys and values of 4 heads of 16 numbers in 2 blocks, for 4096 tokens, of 4 bytes each.
        Assert.Equal(2 * 4 * 16 * 2 * 4096 * 4, Assert.Single((await gateway.GetAsync("/admin/memory")).GetProperty("entries").EnumerateArray()).GetProperty("kv").GetInt32());
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
