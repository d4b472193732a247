using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using FinerCut.Jobs;
using FinerCut.TestModels;

namespace FinerCut.Tests.Prune;

/// <summary>A job's process against the memory that the job was given.</summary>
public sealed partial class PruneMemoryTests : IDisposable
{
    private readonly PruneFolder _folder = new();

    private PruneRequest Request => _folder.Request with { Search = SearchKind.Surgeon, MaxHealingTokens = 5000 };

    public void Dispose() => _folder.Dispose();

    /// <summary>FFNs so wide that the matrices of the surgeon and of healing are most of it: what is told as needed is enough, and is kept to.</summary>
    [Fact]
    public async Task What_is_told_as_needed_is_enough_and_is_never_exceeded()
    {
        new TinyModel { Seed = 52, Blocks = 4, Embedding = 128, Heads = 4, KvHeads = 2, FeedForward = 2048 }.WriteTo(Request.ModelPath);
        _folder.WriteTraffic();
        var told = (await RunAsync(Request with { MemoryBytes = 1 << 20 })).Error!.Message;
        var needed = long.Parse(Needed().Match(told).Groups[1].Value, CultureInfo.InvariantCulture);
        var result = await RunAsync(Request with { MemoryBytes = needed });
        Assert.True(result.Outcome == PruneOutcome.Passed, result.Error?.Message);
        Assert.NotEmpty(result.Healed);
        Assert.InRange(result.PeakMemoryBytes, needed / 4, needed + new FileInfo(Request.ModelPath).Length);
    }

    [GeneratedRegex("([0-9]+) are needed")]
    private static partial Regex Needed();

    private string At(string name) => _folder.At(name);

    private async Task<PruneResult> RunAsync(PruneRequest request)
    {
        File.WriteAllText(At("job.json"), JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest));
        var (code, output, errors) = await WorkerProgram.RunForAsync(TimeSpan.FromMinutes(10), "prune", "--job", At("job.json"));
        var result = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, ContractJson.Default.PruneLine)!.Result).LastOrDefault(found => found is not null);
        Assert.True(result is not null, $"{code}\n{output}\n{errors}");
        return result;
    }
}
