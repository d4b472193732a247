using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Tests.Prune;

/// <summary>A job of the real model keeps to the memory that it is given: the most that its process was resident in, weights and stated memory together.</summary>
public sealed class JobMemoryTests : IDisposable
{
    private const long Given = 720_000_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-memory-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_job_is_never_resident_in_more_than_model_and_stated_memory()
    {
        // 2,560 calibration tokens: without a limit reference and states alone would take 850 MB.
        File.WriteAllLines(At("traffic.jsonl"), Enumerable.Range(0, 40).Select(number => JsonSerializer.Serialize(
            new RecordedConversationLine(
                $"c{number}", [new("user", $"Tell me of {number} rivers. {string.Concat(Enumerable.Range(0, 14).Select(word => $"River {number * word} is long. "))}")],
                string.Concat(Enumerable.Range(0, 12).Select(word => $"The river {word} of {number} flows to the sea. "))),
            RecordedLineJson.Default.RecordedConversationLine)));
        string[] open = ["--gate", "max_mean_kl=1e6", "min_top1_agreement=0", "max_answer_nll_increase=1e6", "max_general_nll_increase=1e6", "min_common_prefix=0"];
        var model = EmbeddedModel.Full;
        var (code, output, errors) = await WorkerProgram.RunForAsync(
            TimeSpan.FromMinutes(15),
            ["prune", model, "--traffic", At("traffic.jsonl"), "-o", At("lean.gguf"), "--threads", "1", "--budget", "bytes:5%", "--search", "last_blocks", "--healing", "constant", "--json",
             "--held-out-share", "0.2", "--held-out-tokens", "1280", "--memory", $"{Given}", .. open]);
        Assert.True(code == ExitCode.Success, errors);
        var result = JsonSerializer.Deserialize(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], ContractJson.Default.PruneLine)!.Result!;
        Assert.Equal(2560, result.CalibrationTokens);
        using var file = GgufFile.Open(model);
        var shape = ModelShapeReader.Read(file.Model);
        Assert.True(result.PeakMemoryBytes > shape.TensorBytes, $"{result.PeakMemoryBytes}");
        Assert.True(result.PeakMemoryBytes <= shape.TensorBytes + Given, $"resident in {result.PeakMemoryBytes} bytes, {shape.TensorBytes} of weights and {Given} were stated");
        TestContext.Current.TestOutputHelper?.WriteLine($"peak {result.PeakMemoryBytes / 1e6:F0} MB, weights {shape.TensorBytes / 1e6:F0} MB, given {Given / 1e6:F0} MB");
    }

    private string At(string name) => Path.Combine(_folder, name);
}
