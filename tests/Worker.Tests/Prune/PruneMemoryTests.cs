using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using FinerCut.Jobs;
using FinerCut.TestModels;

namespace FinerCut.Tests.Prune;

/// <summary>A job's process against the memory that the job was given.</summary>
public sealed partial class PruneMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-prune-memory-").FullName;

    private PruneRequest Request => new()
    {
        JobId = "job", ModelPath = At("model.gguf"), OutputPath = At("lean.gguf"), WorkFolder = At("work"), CalibrationPath = At("calibration.jsonl"), HeldOutPath = At("held-out.jsonl"),
        Budget = new PruneBudget(Fraction: 0.2), Gate = new GateThresholds { MaxMeanKl = 1e6, MinTop1Agreement = 0, MaxAnswerNllIncrease = 1e6, MaxGeneralNllIncrease = 1e6, MinCommonPrefix = 0 }, Threads = 1, MinTokens = 100,
        Search = SearchKind.Surgeon, MaxHealingTokens = 5000,
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>FFNs so wide that the matrices of the surgeon and of healing are most of it: what is told as needed is enough, and is kept to.</summary>
    [Fact]
    public async Task What_is_told_as_needed_is_enough_and_is_never_exceeded()
    {
        new TinyModel { Seed = 52, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 2048 }.WriteTo(Request.ModelPath);
        foreach (var (path, name) in new[] { (Request.CalibrationPath, "c"), (Request.HeldOutPath, "h") })
        {
            File.WriteAllLines(path, Enumerable.Range(0, 6).Select(number => JsonSerializer.Serialize(
                new RecordedConversationLine($"{name}{number}", [new("user", $"What is {number} and {name}?")], $"It is {number}, and then some words on it."), RecordedLineJson.Default.RecordedConversationLine)));
        }

        var told = (await RunAsync(Request with { MemoryBytes = 1 << 20 })).Error!.Message;
        var needed = long.Parse(Needed().Match(told).Groups[1].Value, CultureInfo.InvariantCulture);
        var result = await RunAsync(Request with { MemoryBytes = needed });
        Assert.True(result.Outcome == PruneOutcome.Passed, result.Error?.Message);
        Assert.NotEmpty(result.Healed);
        Assert.InRange(result.PeakMemoryBytes, needed / 4, needed + new FileInfo(Request.ModelPath).Length);
    }

    [GeneratedRegex("([0-9]+) are needed")]
    private static partial Regex Needed();

    private string At(string name) => Path.Combine(_folder, name);

    private async Task<PruneResult> RunAsync(PruneRequest request)
    {
        File.WriteAllText(At("job.json"), JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest));
        var (code, output, errors) = await WorkerProgram.RunForAsync(TimeSpan.FromMinutes(10), "prune", "--job", At("job.json"));
        var result = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, ContractJson.Default.PruneLine)!.Result).LastOrDefault(found => found is not null);
        Assert.True(result is not null, $"{code}\n{output}\n{errors}");
        return result;
    }
}
