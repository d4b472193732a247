using System.Diagnostics;
using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.TestModels;

namespace FinerCut.Tests.Prune;

/// <summary>prune MODEL --traffic FILE --budget …, as people type it.</summary>
public sealed class TypedPruneTests : IDisposable
{
    private static readonly string[] Open = ["--gate", "max_mean_kl=1e6", "min_top1_agreement=0", "max_answer_nll_increase=1e6", "max_general_nll_increase=1e6", "min_common_prefix=0"];

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-typed-prune-").FullName;

    public TypedPruneTests()
    {
        new TinyModel { Seed = 51, Blocks = 4, Embedding = 64, Heads = 4, KvHeads = 2, FeedForward = 128, Weights = GgmlType.Q8_0 }.WriteTo(At("model.gguf"));
        File.WriteAllLines(At("traffic.jsonl"), Enumerable.Range(0, 24).Select(number => JsonSerializer.Serialize(
            new RecordedConversationLine($"c{number}", [new("user", $"What is {number} and why?")], $"It is {number}, and then some words on it."), RecordedLineJson.Default.RecordedConversationLine)));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_model_is_made_leaner_and_no_recorded_text_stays_behind()
    {
        var (code, output, errors) = await RunAsync("--budget", "bytes:20%", "--healing", "none");
        Assert.True(code == ExitCode.Success, errors);
        Assert.Contains("model.lean: passed", output, StringComparison.Ordinal);
        Assert.Contains("mean_kl", output, StringComparison.Ordinal);
        Assert.True(new FileInfo(At("model.lean.gguf")).Length < new FileInfo(At("model.gguf")).Length);
        Assert.Contains("search ", errors, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(At("model.lean.gguf.work"), "*.jsonl"));
        Assert.DoesNotContain("and then some words", string.Concat(Directory.GetFiles(_folder, "*.*", SearchOption.AllDirectories).Where(file => !file.EndsWith("traffic.jsonl", StringComparison.Ordinal)).Select(File.ReadAllText)), StringComparison.Ordinal);

        // The same again resumes, and comes to the same file.
        var written = File.ReadAllBytes(At("model.lean.gguf"));
        var again = await RunAsync("--budget", "bytes:20%", "--healing", "none", "--json");
        var lines = again.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize(line, ContractJson.Default.PruneLine)!).ToArray();
        Assert.Equal(PruneOutcome.Passed, lines[^1].Result!.Outcome);
        Assert.Equal(written, File.ReadAllBytes(At("model.lean.gguf")));
    }

    [Fact]
    public async Task Keys_and_values_and_kinds_can_be_asked_for()
    {
        var (code, output, errors) = await RunAsync("--budget", "kv:25%,context:32", "--only", "attention", "--keep", "attn:0", "--grains", "sublayer,kv_group", "--json", "--healing", "none");
        Assert.True(code == ExitCode.Success, errors);
        var result = JsonSerializer.Deserialize(output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], ContractJson.Default.PruneLine)!.Result!;
        Assert.All(result.Removed, name => Assert.StartsWith("attn:", name, StringComparison.Ordinal));
        Assert.DoesNotContain(result.Removed, name => name.StartsWith("attn:0", StringComparison.Ordinal));
        Assert.True(result.Lean!.KvBytesPerToken <= 0.75 * result.Full!.KvBytesPerToken);
    }

    [Theory]
    [InlineData("--budget bytes:200%", "--budget bytes:200%")]
    [InlineData("--budget bytes:20% --search clever", "clever")]
    [InlineData("--budget bytes:20% --only blocks", "--only blocks")]
    [InlineData("--budget bytes:20% --keep head:1", "keep")]
    [InlineData("--budget bytes:20% --held-out-share 1", "--held-out-share")]
    [InlineData("--budget bytes:20% --job x.json", "either --job FILE, or MODEL")]
    public async Task What_is_wrong_is_told_before_anything_is_begun(string options, string told)
    {
        var (code, _, errors) = await RunAsync(options.Split(' '));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains(told, errors, StringComparison.Ordinal);
        Assert.Equal(["model.gguf", "traffic.jsonl"], Directory.GetFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    /// <summary>
    /// Every thread of a job that yields has the policy under which it runs only when nothing else wants to (field 41 of stat: SCHED_IDLE). Asked from outside, since on a busy
    /// machine such a job may say nothing for minutes.
    /// </summary>
    [Fact]
    public async Task All_threads_of_a_job_that_yields_are_idle_ones()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var process = Process.Start(new ProcessStartInfo(
            WorkerProgram.Path,
            ["prune", At("model.gguf"), "--traffic", At("traffic.jsonl"), "--threads", "1", "--min-tokens", "100", "--budget", "bytes:40%", "--healing", "none", "--search", "paper", "--json", "--yield", .. Open])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(120));
            string[] policies = [];
            while (policies.Length < 4 || policies.Any(policy => policy != "5"))
            {
                Assert.False(process.HasExited, "the job ended before it was seen to yield");
                Assert.False(patience.IsCancellationRequested, $"threads have the policies {string.Join(' ', policies)}");
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
                policies = [.. Policies(process.Id)];
            }
        }
        finally
        {
            process.Kill();
        }
    }

    private static IEnumerable<string> Policies(int process)
    {
        foreach (var thread in Directory.EnumerateDirectories($"/proc/{process}/task"))
        {
            string stat;
            try
            {
                stat = File.ReadAllText(Path.Combine(thread, "stat"));
            }
            catch (IOException)
            {
                // Ended meanwhile.
                continue;
            }

            // Field 3 follows the name, which is in brackets and may hold anything.
            yield return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[41 - 3];
        }
    }

    private Task<(int Code, string Output, string Errors)> RunAsync(params string[] options) =>
        WorkerProgram.RunAsync(["prune", At("model.gguf"), "--traffic", At("traffic.jsonl"), "--threads", "1", "--min-tokens", "100", .. options, .. options.Contains("--job") ? [] : Open]);

    private string At(string name) => Path.Combine(_folder, name);
}
