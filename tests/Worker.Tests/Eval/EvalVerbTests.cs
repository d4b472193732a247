using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;

namespace FinerCut.Tests.Eval;

public sealed class EvalVerbTests : IDisposable
{
    private const string Text = "The river rises in the hills north of the town and flows for sixty miles to the sea. In spring it floods the meadows, and farmers move their cattle to higher ground. ";

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-eval-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The figure is that of the definition, computed here token by token from the logits of one session.</summary>
    [Fact]
    public async Task Perplexity_is_that_of_its_definition()
    {
        var path = Tiny("one.gguf", 61);
        File.WriteAllText(At("text.txt"), string.Concat(Enumerable.Repeat(Text, 4)));
        var (code, output, errors) = await WorkerProgram.RunAsync("eval", path, "--text", At("text.txt"), "--context", "64", "--threads", "1", "--json");
        Assert.True(code == ExitCode.Success, errors);
        var text = JsonDocument.Parse(output).RootElement.GetProperty("text");

        using var model = NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, CancellationToken.None);
        var tokens = model.Vocabulary.Tokenize(string.Concat(Enumerable.Repeat(Text, 4)), addSpecial: true, parseSpecial: false);
        var chunks = tokens.Length / 64;
        var (sum, count) = (0.0, 0);
        using var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 64, MicroBatchSize = 64, Threads = 1, BatchThreads = 1 });
        for (var chunk = 0; chunk < chunks; chunk++)
        {
            session.Memory.Clear();
            var batch = new TokenBatch(64);
            for (var at = 0; at < 64; at++) batch.Add(at == 0 && tokens[0] == model.Vocabulary.Special.Bos ? tokens[0] : tokens[(chunk * 64) + at], at, 0, logits: true);
            Assert.Equal(DecodeStatus.Done, session.Decode(batch));
            for (var next = 32; next < 64; next++, count++)
            {
                var logits = session.Logits(next - 1).ToArray();
                sum += Math.Log(logits.Sum(value => Math.Exp(value - logits.Max()))) + logits.Max() - logits[tokens[(chunk * 64) + next]];
            }
        }

        Assert.Equal((chunks, count), (text.GetProperty("chunks").GetInt32(), text.GetProperty("tokens").GetInt32()));
        Assert.Equal(Math.Exp(sum / count), text.GetProperty("perplexity").GetProperty("mean").GetDouble(), 1e-3);
        Assert.False(text.TryGetProperty("kl", out _));
    }

    [Fact]
    public async Task Against_itself_nothing_differs_and_against_another_something_does()
    {
        var (one, other) = (Tiny("one.gguf", 61), Tiny("other.gguf", 62));
        File.WriteAllText(At("text.txt"), Text);
        async Task<JsonElement> Kl(string against) =>
            JsonDocument.Parse((await WorkerProgram.RunAsync("eval", one, "--against", against, "--text", At("text.txt"), "--threads", "1", "--json")).Output).RootElement.GetProperty("text");
        var same = await Kl(one);
        Assert.Equal(0, same.GetProperty("kl").GetProperty("mean").GetDouble(), 1e-6);
        Assert.Equal(1, same.GetProperty("top1_agreement").GetProperty("mean").GetDouble());
        var different = await Kl(other);
        Assert.True(different.GetProperty("kl").GetProperty("mean").GetDouble() > 0.01);
        Assert.NotEqual(different.GetProperty("perplexity").GetProperty("mean").GetDouble(), different.GetProperty("against_perplexity").GetProperty("mean").GetDouble());
    }

    /// <summary>The real model knows this much, in whichever order the choices stand; the answer may be an index or a text.</summary>
    [Fact]
    public async Task The_real_model_chooses_what_is_right()
    {
        File.WriteAllLines(At("tasks.jsonl"),
        [
            """{"question":"The capital of France is","choices":["Paris","Berlin","banana"],"answer":0}""",
            """{"question":"The capital of France is","choices":["xylophone","purple","Paris"],"answer":"Paris"}""",
            "",
            """{"question":"One, two, three, four,","choices":["seventy","five"],"answer":1}""",
            """{"question":"The sun rises in the","choices":["refrigerator","east"],"answer":1}""",
        ]);
        var (code, output, errors) = await WorkerProgram.RunAsync("eval", EmbeddedModel.Full, "--tasks", At("tasks.jsonl"), "--threads", "1", "--json");
        Assert.True(code == ExitCode.Success, errors);
        var tasks = JsonDocument.Parse(output).RootElement.GetProperty("tasks");
        Assert.Equal(4, tasks.GetProperty("questions").GetInt32());
        Assert.Equal(1, tasks.GetProperty("accuracy").GetProperty("mean").GetDouble());
        Assert.Contains("tasks ", errors, StringComparison.Ordinal);
        Assert.Contains("s to go", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_wrong_is_told_with_its_place_and_never_the_text()
    {
        var path = Tiny("one.gguf", 61);
        File.WriteAllLines(At("tasks.jsonl"), ["""{"question":"a","choices":["x","y"],"answer":1}""", """{"question":"secret words","choices":["x","y"],"answer":2}"""]);
        var (code, _, errors) = await WorkerProgram.RunAsync("eval", path, "--tasks", At("tasks.jsonl"));
        Assert.Equal(ExitCode.BadInput, code);
        Assert.Contains("tasks.jsonl, line 2: the answer is none of the 2 choices", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", errors, StringComparison.Ordinal);

        Assert.Equal(ExitCode.BadInput, (await WorkerProgram.RunAsync("eval", path)).Code);
        Assert.Equal(ExitCode.BadInput, (await WorkerProgram.RunAsync("eval", At("missing.gguf"), "--text", At("tasks.jsonl"))).Code);
        Assert.Contains("cannot be compared", (await WorkerProgram.RunAsync("eval", path, "--against", EmbeddedModel.Full, "--text", At("tasks.jsonl"))).Errors, StringComparison.Ordinal);
    }

    private string Tiny(string name, int seed)
    {
        new TinyModel { Seed = seed, Blocks = 2, Embedding = 64, Heads = 4, KvHeads = 2, FeedForward = 128, Weights = GgmlType.Q8_0 }.WriteTo(At(name));
        return At(name);
    }

    private string At(string name) => Path.Combine(_folder, name);
}
