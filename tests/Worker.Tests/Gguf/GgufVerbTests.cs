using System.Diagnostics;
using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.TestModels;
using FinerCut.Worker.Gguf;

namespace FinerCut.Tests.Gguf;

public sealed class GgufVerbTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gguf-verbs-").FullName;
    private readonly StringWriter _output = new();

    public GgufVerbTests() => new TinyModel().WriteTo(In("full.gguf"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string In(string name) => Path.Combine(_folder, name);

    private void Prune(string drop, string target = "lean.gguf", int slices = 4)
    {
        using var source = GgufShards.Open(In("full.gguf"));
        new HandPrune(() => NativeRuntime.Open(), _output).Write(source, drop, slices, In(target), null, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Pruned_by_hand_the_file_is_smaller_says_where_it_comes_from_and_decodes()
    {
        new TinyModel { FeedForward = 256, Embedding = 128 }.WriteTo(In("full.gguf"));
        Prune("attn:1,ffn:2-3,attn:0/kv1,ffn:0/slice0-1");
        Assert.StartsWith("left out: attn:1 ffn:2 ffn:3 attn:0/kv1 ffn:0/slice0 ffn:0/slice1", _output.ToString(), StringComparison.Ordinal);
        Assert.True(new FileInfo(In("lean.gguf")).Length < new FileInfo(In("full.gguf")).Length * 0.75);
        using (var shards = GgufShards.Open(In("lean.gguf")))
        {
            Assert.Equal("deci", shards.First.Architecture);
            FileFacts.Of(shards).WriteText(_output);
        }
        Assert.Contains("finercut.removed: attn:1 ffn:2 ffn:3 attn:0/kv1 ffn:0/slice0 ffn:0/slice1", _output.ToString(), StringComparison.Ordinal);

        using var model = NativeRuntime.Open().Load(new() { Path = In("lean.gguf") }, null, TestContext.Current.CancellationToken);
        using var session = model.Open(new() { ContextLength = 64, BatchSize = 32 });
        var batch = new TokenBatch(4);
        for (var i = 0; i < 4; i++) batch.Add(10 + i, i, 0, logits: i == 3);
        Assert.Equal(DecodeStatus.Done, session.Decode(batch));
        Assert.All(session.Logits(3).ToArray(), logit => Assert.True(float.IsFinite(logit)));
    }

    /// <summary>What the file computes is told, for every family, and a model in several files is taken as it is.</summary>
    [Theory]
    [InlineData("llama", "attn:1,ffn:0/slice1", "deci", "masked 0 (up to 0 expected")]
    [InlineData("qwen2", "attn:1,attn:0/kv0", "deci", "(up to 0.5 expected")]
    [InlineData("qwen3", "attn:1,ffn:2", "step35", "masked 0 (up to 0 expected")]
    [InlineData("phi3", "ffn:1,attn:3", "deci", "(up to 0.5 expected")]
    [InlineData("gemma3", "block:1-2", "gemma3", "masked 0 (up to 0 expected")]
    public void The_lean_files_logits_are_compared_with_the_masked_models(string architecture, string drop, string lean, string says)
    {
        File.Delete(In("full.gguf"));
        var plan = new TinyModel { Architecture = architecture, TiedOutput = architecture == "gemma3" }.Plan();
        var shards = GgufSplitter.Write(plan, In("full"), 200_000);
        Assert.True(shards.Count > 1);
        using (var source = GgufShards.Open(shards[0].Path))
        {
            new HandPrune(() => NativeRuntime.Open(), _output).Write(source, drop, 4, In("lean.gguf"), null, TestContext.Current.CancellationToken);
        }

        Assert.Contains(says, _output.ToString(), StringComparison.Ordinal);
        using var written = GgufFile.Open(In("lean.gguf"));
        Assert.Equal(lean, written.Model.Architecture);
        Assert.Null(written.Model.Find(GgufKeys.SplitCount));
    }

    /// <summary>llama.cpp's say is the last word: what it does not load never stands at the target.</summary>
    [Fact]
    public void A_file_that_does_not_load_is_not_left_behind()
    {
        // Sound by the key-values that are checked, but llama.cpp knows no such tokenizer.
        GgufWriter.Write(new TinyModel().Plan().Set("tokenizer.ggml.model", "no-such"), In("full.gguf"));
        Assert.Contains("does not run", Assert.Throws<GgufWriteException>(() => Prune("attn:1")).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder, "lean*"));
    }

    [Fact]
    public void Whole_blocks_are_asked_for_where_less_cannot_go()
    {
        new TinyModel { Architecture = "gemma3", TiedOutput = true }.WriteTo(In("full.gguf"));
        var refused = Assert.Throws<FinerCut.Pruning.Shapes.UnsupportedModelException>(() => Prune("attn:1"));
        Assert.Contains("only block 1 as a whole (attn:1,ffn:1)", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder, "lean*"));
    }

    [Theory]
    [InlineData("", "Nothing to drop")]
    [InlineData("block:4", "its blocks are 0 to 3")]
    [InlineData("block:1/kv0", "no part of a model")]
    [InlineData("attn", "no part of a model")]
    [InlineData("attn:4", "blocks are 0 to 3")]
    [InlineData("ffn:3-1", "no range")]
    [InlineData("attn:0/kv2", "attn:0/kv0 to attn:0/kv1")]
    [InlineData("attn:0/slice0", "attention has units kv0")]
    [InlineData("ffn:0/slice9", "ffn:0/slice0 to")]
    public void What_the_model_has_not_is_told(string drop, string message)
    {
        Assert.Contains(message, Assert.Throws<UsageException>(() => Prune(drop)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(In("lean.gguf")));
    }

    [Fact]
    public void Inspect_tells_bytes_per_sublayer_as_json()
    {
        using var shards = GgufShards.Open(In("full.gguf"));
        using var bytes = new MemoryStream();
        FileFacts.Of(shards).WriteJson(bytes);
        using var json = JsonDocument.Parse(bytes.ToArray());
        var parts = json.RootElement.GetProperty("parts").EnumerateArray().ToDictionary(part => part.GetProperty("name").GetString()!, part => part.GetProperty("bytes").GetInt64());
        Assert.Equal(4 * (64 + (64 * 64 * 2) + (64 * 32 * 2)), parts["attn:2"]);
        Assert.Equal(4 * (64 + (64 * 128 * 3)), parts["ffn:3"]);
        Assert.Equal(shards.Tensors.Sum(entry => entry.Tensor.ByteCount), parts.Values.Sum());
        Assert.Equal(shards.First.KeyValues.Length, json.RootElement.GetProperty("key_values").GetArrayLength());
    }

    [Fact]
    public void Diff_finds_what_differs_and_nothing_else()
    {
        Assert.True(Diff("full.gguf"));
        Assert.Equal("", _output.ToString());
        using (var source = GgufFile.Open(In("full.gguf")))
        {
            var edit = new GgufEdit(source).Set("general.name", "other").Set("general.new", 1u).RenameTensor("output.weight", "other.weight");
            edit.Remove("tokenizer.chat_template");
            var norm = edit.FindTensor("blk.0.attn_norm.weight")!;
            edit.Replace(norm.Name, GgufTensorPlan.Floats(norm.Name, norm.Shape, new float[64]));
            GgufWriter.Write(edit, In("other.gguf"));
        }
        _output.GetStringBuilder().Clear();
        Assert.False(Diff("other.gguf"));
        var lines = _output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(6, lines.Length);
        Assert.Contains("~ general.name: str tiny 1 → str other", lines);
        Assert.Contains("+ general.new = u32 1", lines);
        Assert.Contains("~ tensor blk.0.attn_norm.weight f32 [64]: other data", lines);
        Assert.Contains(lines, line => line.StartsWith("- tokenizer.chat_template", StringComparison.Ordinal));
        Assert.Contains("- tensor output.weight f32 [64, 279]", lines);
        Assert.Contains("+ tensor other.weight f32 [64, 279]", lines);
    }

    [Fact]
    public void Keys_keep_their_type_or_take_the_one_given()
    {
        using var source = GgufFile.Open(In("full.gguf"));
        var edit = KeyEdits.Apply(
            new GgufEdit(source),
            ["llama.context_length=256", "general.name=a=b", "my.text=x", "my.number:f64=1.5", "my.list:[i32]=1,-2", "my.flag:bool=true"],
            ["general.type"],
            ["general.quantization_version=my.version"]);
        Assert.Equal(256u, edit.Find("llama.context_length")!.Get<uint>());
        Assert.Equal("a=b", edit.Find("general.name")!.GetText());
        Assert.Equal("x", edit.Find("my.text")!.GetText());
        Assert.Equal(1.5, edit.Find("my.number")!.Get<double>());
        Assert.Equal([1L, -2], edit.Find("my.list")!.GetIntegers());
        Assert.True(edit.Find("my.flag")!.Get<bool>());
        Assert.Null(edit.Find("general.type"));
        Assert.Equal(2u, edit.Find("my.version")!.Get<uint>());

        Assert.Contains("no u32", Refused("llama.context_length=-1"), StringComparison.Ordinal);
        Assert.Contains("no pair", Refused("llama.context_length"), StringComparison.Ordinal);
        Assert.Contains("is no type", Refused("a:u128=1"), StringComparison.Ordinal);

        string Refused(string pair) => Assert.Throws<UsageException>(() => KeyEdits.Apply(new GgufEdit(source), [pair], [], [])).Message;
    }

    [Fact]
    public void Texts_of_a_file_cannot_write_to_the_terminal()
    {
        using (var source = GgufFile.Open(In("full.gguf"))) GgufWriter.Write(new GgufEdit(source).Set("general.name", "\u001b[2Jgone"), In("evil.gguf"));
        using var shards = GgufShards.Open(In("evil.gguf"));
        FileFacts.Of(shards).WriteText(_output);
        Assert.DoesNotContain('\u001b', _output.ToString());
        Assert.Contains("\\u001b[2Jgone", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_verbs_of_the_program_end_with_codes_that_scripts_can_use()
    {
        Assert.Equal((0, ""), Run("gguf", "check", In("full.gguf")));
        Assert.Equal((0, ""), Run("gguf", "split", In("full.gguf"), "--max-size", "300k", "-o", In("m")));
        var shards = Directory.GetFiles(_folder, "m-0*.gguf").Order().ToArray();
        Assert.InRange(shards.Length, 2, 5);
        Assert.Equal((0, ""), Run("gguf", "merge", shards[1], "-o", In("merged.gguf")));
        Assert.Equal((0, ""), Run("gguf", "diff", In("full.gguf"), In("merged.gguf")));
        Assert.Equal((0, ""), Run("gguf", "set-kv", In("merged.gguf"), "general.name=renamed"));
        Assert.Equal(1, Run("gguf", "diff", In("full.gguf"), In("merged.gguf")).Code);
        Assert.Equal((0, ""), Run("gguf", "prune", In("full.gguf"), "--drop", "attn:1", "-o", In("lean.gguf")));

        var (code, error) = Run("gguf", "prune", In("full.gguf"), "--drop", "attn:1", "-o", In("lean.gguf"));
        Assert.Equal(2, code);
        Assert.Contains("exists already", error, StringComparison.Ordinal);
        File.WriteAllText(In("not.gguf"), "not a GGUF file");
        (code, error) = Run("gguf", "inspect", In("not.gguf"));
        Assert.Equal(2, code);
        Assert.Contains("NotGguf", error, StringComparison.Ordinal);
        Assert.Equal(1, Run("gguf", "check", In("full.gguf"), In("not.gguf")).Code);
        Assert.Equal(2, Run("gguf", "check", In("missing.gguf")).Code);
    }

    private bool Diff(string other)
    {
        using var a = GgufShards.Open(In("full.gguf"));
        using var b = GgufShards.Open(In(other));
        var lines = ModelDiff.Lines(a, b).ToArray();
        foreach (var line in lines) _output.WriteLine(line);
        return lines.Length == 0;
    }

    private static (int Code, string Error) Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true };
        start.ArgumentList.Add(typeof(GgufVerb).Assembly.Location);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        _ = output.GetAwaiter().GetResult();
        return (process.ExitCode, error);
    }
}
