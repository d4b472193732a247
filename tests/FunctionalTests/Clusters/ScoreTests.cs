using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using FinerCut.FunctionalTests.Hosting;
using FinerCut.Jobs;
using FinerCut.TestModels;

namespace FinerCut.FunctionalTests.Clusters;

/// <summary>A search whose masks are scored by several processes, each as it would run on a machine of its own.</summary>
public class ScoreTests
{
    private static readonly TinyModel Model = new() { Seed = 9, Blocks = 5, Embedding = 64, FeedForward = 256, Weights = Gguf.GgmlType.Q8_0 };

    [Theory]
    [InlineData(SearchKind.Paper, "none")]
    [InlineData(SearchKind.RacingGreedy, "refit")]
    public async Task A_job_that_others_score_for_makes_the_same_file_though_one_of_them_is_killed(SearchKind search, string healing)
    {
        using var folder = new TempFolder();
        var cancellationToken = TestContext.Current.CancellationToken;
        var model = Model.WriteTo(folder["model.gguf"]);
        WriteTraffic(folder["calibration.jsonl"], 0);
        WriteTraffic(folder["held-out.jsonl"], 100);
        var alone = await RunAsync(folder, model, "alone", search, healing, [], cancellationToken);

        await using var one = Scorer(model);
        await using var two = Scorer(model);
        var scorers = await Task.WhenAll(AddressAsync(one, cancellationToken), AddressAsync(two, cancellationToken));
        // The first is killed in the middle; a third that nobody listens at, and one with another model, change nothing either.
        var other = new TinyModel { Seed = 10 }.WriteTo(folder["other.gguf"]);
        await using var wrong = Scorer(other);
        ImmutableArray<ScorerAddress> all = [.. scorers, new ScorerAddress("http://127.0.0.1:1/", "key"), await AddressAsync(wrong, cancellationToken)];
        var killing = Task.Run(
            async () =>
            {
                await Task.Delay(TimeSpan.FromSeconds(1.5), cancellationToken);
                one.Signal(9);
            },
            cancellationToken);
        var together = await RunAsync(folder, model, "together", search, healing, all, cancellationToken);
        await killing;
        Assert.Equal(alone.Removed, together.Removed);
        Assert.Equal(alone.Steps.Select(step => step.Distance), together.Steps.Select(step => step.Distance));
        Assert.Equal(await File.ReadAllBytesAsync(folder["alone.gguf"], cancellationToken), await File.ReadAllBytesAsync(folder["together.gguf"], cancellationToken));
        var scored = Assert.Single(together.Notes, note => note.StartsWith(scorers[1].Url, StringComparison.Ordinal));
        Assert.DoesNotContain(" scored 0 ", scored, StringComparison.Ordinal);
        Assert.Contains(together.Notes, note => note.Contains("The search means the model", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_scorer_asks_for_its_key_and_ends_when_nobody_asks_it()
    {
        using var folder = new TempFolder();
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var scorer = Scorer(Model.WriteTo(folder["model.gguf"]), "--idle-seconds", "3");
        var address = await AddressAsync(scorer, cancellationToken);
        using var http = new HttpClient { BaseAddress = new Uri(address.Url) };
        using var content = new StringContent("{}");
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsync(new Uri("score/sums", UriKind.Relative), content, cancellationToken)).StatusCode);
        http.DefaultRequestHeaders.Authorization = new("Bearer", "other");
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsync(new Uri("score/open", UriKind.Relative), content, cancellationToken)).StatusCode);
        Assert.Equal(0, await scorer.WaitForExitAsync(cancellationToken));
    }

    private static ChildProcess Scorer(string model, params string[] more) =>
        ChildProcess.Start("/usr/bin/env", ["LLAMA_API_KEY=key", Checkout.Worker, "score", "--model", model, "--threads", "1", .. more]);

    private static async Task<ScorerAddress> AddressAsync(ChildProcess scorer, CancellationToken cancellationToken)
    {
        var line = await scorer.WaitForLineAsync(text => text.StartsWith('{'), cancellationToken);
        return new ScorerAddress(JsonSerializer.Deserialize(line, ContractJson.Default.ServeLine)!.Listening, "key");
    }

    private static async Task<PruneResult> RunAsync(TempFolder folder, string model, string name, SearchKind search, string healing, ImmutableArray<ScorerAddress> scorers, CancellationToken cancellationToken)
    {
        var request = new PruneRequest
        {
            JobId = "job", ModelPath = model, OutputPath = folder[name + ".gguf"], WorkFolder = folder[name + ".work"], CalibrationPath = folder["calibration.jsonl"], HeldOutPath = folder["held-out.jsonl"],
            Budget = search == SearchKind.Paper ? new PruneBudget(5) : new PruneBudget(Fraction: 0.4), Search = search, Healing = Enum.Parse<HealingKind>(healing, ignoreCase: true), MinTokens = 64, Threads = 1, Scorers = scorers,
            Gate = new GateThresholds { MaxMeanKl = 1000, MinTop1Agreement = 0, MaxAnswerNllIncrease = 1000, MaxGeneralNllIncrease = 1000, MinCommonPrefix = 0 },
        };
        await File.WriteAllTextAsync(folder[name + ".json"], JsonSerializer.Serialize(request, ContractJson.Default.PruneRequest), cancellationToken);
        await using var worker = ChildProcess.Start(Checkout.Worker, ["prune", "--job", folder[name + ".json"]]);
        var code = await worker.WaitForExitAsync(cancellationToken, TimeSpan.FromMinutes(4));
        Assert.True(code == 0, worker.Output + worker.Errors);
        return JsonSerializer.Deserialize(await File.ReadAllTextAsync(Path.Combine(request.WorkFolder, "result.json"), cancellationToken), ContractJson.Default.PruneResult)!;
    }

    private static void WriteTraffic(string path, int first) => File.WriteAllLines(path, Enumerable.Range(first, 24).Select(number => JsonSerializer.Serialize(
        new RecordedText($"c{number}", $"Tell me about the number {number} and what comes after it, in {number % 7} words.", string.Concat(Enumerable.Repeat($"It is {number * 7}, then {number * 13}. ", 4))), RecordedText.Options)));

    private sealed record RecordedText(string Id, string Prompt, string Answer)
    {
        public static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
    }
}
