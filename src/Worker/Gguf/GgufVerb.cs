using System.CommandLine;
using System.Text.Json.Nodes;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Worker.Gguf;

/// <summary><c>gguf inspect|check|diff|prune|split|merge|set-kv</c>: work on files; only prune loads models, to compare them. docs/gguf.md shows each.</summary>
public static class GgufVerb
{
    public static Command Create() => new("gguf", "Looks into GGUF files, checks, compares, cuts, splits and edits them.")
    {
        Inspect(),
        Check(),
        Diff(),
        Prune(),
        Split(),
        Merge(),
        SetKv(),
    };

    private static Command Inspect()
    {
        var file = File("FILE", "A model; of a split one any shard.");
        var json = Json();
        var command = new Command("inspect", "Shows key-values, tensors, bytes per sublayer and where a lean model comes from.") { file, json };
        command.SetAction(parsed => Guard(() =>
        {
            using var shards = GgufShards.Open(parsed.GetRequiredValue(file).FullName);
            var facts = FileFacts.Of(shards);
            if (parsed.GetValue(json)) facts.WriteJson(Console.OpenStandardOutput());
            else facts.WriteText(Console.Out);
            return ExitCode.Success;
        }));
        return command;
    }

    private static Command Check()
    {
        var files = new Argument<FileInfo[]>("FILE") { Arity = ArgumentArity.OneOrMore, Description = "Models; of a split one the first shard." };
        var json = Json();
        var command = new Command("check", "Tells everything that is wrong with files. Ends with 1 where anything is.") { files, json };
        command.SetAction(parsed => Guard(() =>
        {
            var sound = true;
            foreach (var file in parsed.GetRequiredValue(files)) sound &= CheckReport.Write(file.FullName, parsed.GetValue(json), Console.Out);
            return sound ? ExitCode.Success : ExitCode.Failed;
        }));
        return command;
    }

    private static Command Diff()
    {
        var (a, b) = (File("A", "One model."), File("B", "The other."));
        var json = Json();
        var command = new Command("diff", "Compares key-values and tensors of two models. Ends with 1 where they differ.") { a, b, json };
        command.SetAction(parsed => Guard(() =>
        {
            using var first = GgufShards.Open(parsed.GetRequiredValue(a).FullName);
            using var second = GgufShards.Open(parsed.GetRequiredValue(b).FullName);
            var differences = ModelDiff.Lines(first, second).ToArray();
            if (parsed.GetValue(json)) Print(new JsonObject { ["same"] = differences.Length == 0, ["differences"] = Texts(differences) });
            else foreach (var line in differences.DefaultIfEmpty("no difference")) Console.Out.WriteLine(line);
            return differences.Length == 0 ? ExitCode.Success : ExitCode.Failed;
        }));
        return command;
    }

    private static Command Prune()
    {
        var file = File("FILE", "The full model.");
        var drop = new Option<string>("--drop") { Required = true, Description = "What to leave out, such as attn:3,ffn:7-9,block:4,attn:5/kv1,ffn:6/slice0-3." };
        var slices = new Option<int>("--slices") { DefaultValueFactory = _ => 8, Description = "Slices that an FFN is divided into." };
        var unloaded = new Option<bool>("--no-load") { Description = "Neither load the file nor compare its logits: where the model does not fit into memory." };
        var output = Output("The lean model to write.");
        var (force, json) = (Force(), Json());
        var command = new Command("prune", "Leaves out sublayers, KV-head groups and FFN slices by hand, without a search.") { file, drop, slices, unloaded, output, force, json };
        command.SetAction((parsed, stop) => Task.FromResult(Guard(() =>
        {
            using var source = GgufShards.Open(parsed.GetRequiredValue(file).FullName);
            var target = Target(parsed.GetRequiredValue(output), parsed.GetValue(force));
            Func<ILlamaRuntime>? natives = parsed.GetValue(unloaded) ? null : () => NativeRuntime.Open(null, null);
            using var said = new StringWriter();
            new HandPrune(natives, parsed.GetValue(json) ? said : Console.Out).Write(source, parsed.GetRequiredValue(drop), parsed.GetValue(slices), target, Progress(), stop);
            if (parsed.GetValue(json)) Print(new JsonObject { ["path"] = target, ["bytes"] = new FileInfo(target).Length, ["notes"] = Texts(said.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)) });
            return ExitCode.Success;
        })));
        return command;
    }

    private static Command Split()
    {
        var file = File("FILE", "A model.");
        var size = new Option<string>("--max-size") { Required = true, Description = "Most bytes of a shard: 500M, 2G ..." };
        var output = new Option<string>("--output", "-o") { Required = true, Description = "What the shards' names begin with: PREFIX-00001-of-0000N.gguf." };
        var json = Json();
        var command = new Command("split", "Writes a model as several files.") { file, size, output, json };
        command.SetAction((parsed, stop) => Task.FromResult(Guard(() =>
        {
            using var shards = GgufShards.Open(parsed.GetRequiredValue(file).FullName);
            return Written(parsed.GetValue(json), [.. GgufSplitter.Write(shards.Merge(), parsed.GetRequiredValue(output), Sizes.Parse(parsed.GetRequiredValue(size)), Progress(), stop)]);
        })));
        return command;
    }

    private static Command Merge()
    {
        var file = File("SHARD", "Any shard of a model.");
        var output = Output("The file to write.");
        var (force, json) = (Force(), Json());
        var command = new Command("merge", "Writes the shards of a model as one file.") { file, output, force, json };
        command.SetAction((parsed, stop) => Task.FromResult(Guard(() =>
        {
            using var shards = GgufShards.Open(parsed.GetRequiredValue(file).FullName);
            return Written(parsed.GetValue(json), GgufWriter.Write(shards.Merge(), Target(parsed.GetRequiredValue(output), parsed.GetValue(force)), Progress(), stop));
        })));
        return command;
    }

    private static Command SetKv()
    {
        var file = File("FILE", "A model.");
        var pairs = new Argument<string[]>("KEY=VALUE")
        {
            Arity = ArgumentArity.ZeroOrMore,
            Description = "Existing keys keep their type; KEY:TYPE=VALUE sets one: u8 ... f64, bool, str, [i32] with commas between elements.",
        };
        var remove = new Option<string[]>("--remove") { Description = "A key to remove; several times for several [default: none]", Arity = ArgumentArity.OneOrMore };
        var rename = new Option<string[]>("--rename") { Description = "OLD=NEW, a key's other name; several times for several [default: none]", Arity = ArgumentArity.OneOrMore };
        var output = new Option<FileInfo?>("--output", "-o") { Description = "The file to write [default: the file itself, replaced all or nothing]" };
        var (force, json) = (Force(), Json());
        var command = new Command("set-kv", "Sets, renames and removes key-values; tensors stay as they are.") { file, pairs, remove, rename, output, force, json };
        command.SetAction((parsed, stop) => Task.FromResult(Guard(() =>
        {
            var path = parsed.GetRequiredValue(file).FullName;
            using var source = GgufFile.Open(path);
            var edit = KeyEdits.Apply(new GgufEdit(source), parsed.GetValue(pairs) ?? [], parsed.GetValue(remove) ?? [], parsed.GetValue(rename) ?? []);
            var target = parsed.GetValue(output) is { } other ? Target(other, parsed.GetValue(force)) : path;
            return Written(parsed.GetValue(json), GgufWriter.Write(edit, target, Progress(), stop));
        })));
        return command;
    }

    private static Argument<FileInfo> File(string name, string description) => new(name) { Description = description };

    private static Option<bool> Json() => new("--json") { Description = "JSON instead of text." };

    private static Option<bool> Force() => new("--force") { Description = "Replace the output where it exists." };

    private static Option<FileInfo> Output(string description) => new("--output", "-o") { Required = true, Description = description };

    private static string Target(FileInfo file, bool force) => force || !file.Exists
        ? file.FullName
        : throw new UsageException($"{file.FullName} exists already. Write elsewhere, or give --force to replace it.");

    private static int Written(bool json, params GgufWritten[] written)
    {
        if (json) Print(new JsonArray([.. written.Select(file => new JsonObject { ["path"] = file.Path, ["bytes"] = file.Bytes })]));
        else foreach (var file in written) Console.Out.WriteLine($"{file.Path}  {Sizes.Text(file.Bytes)}");
        return ExitCode.Success;
    }

    private static void Print(JsonNode node) => Console.Out.WriteLine(node.ToJsonString());

    private static JsonArray Texts(IEnumerable<string> lines) => [.. lines.Select(line => JsonValue.Create(line))];

    private static ProgressLine? Progress() => Console.IsErrorRedirected ? null : new ProgressLine(Console.Error);

    private static int Guard(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (OperationCanceledException)
        {
            return Failed("cancelled; nothing was changed", ExitCode.Interrupted);
        }
        catch (GgufWriteException e)
        {
            return Failed(e.Message, e.Cause switch
            {
                GgufWriteCause.DiskFull => ExitCode.DiskFull,
                GgufWriteCause.ReadBack or GgufWriteCause.SourceChanged => ExitCode.Failed,
                _ => ExitCode.BadInput,
            });
        }
        catch (Exception e) when (e is GgufException or UnsupportedModelException or UsageException or LlamaException)
        {
            return Failed(e.Message, ExitCode.BadInput);
        }
    }

    private static int Failed(string message, int code)
    {
        Console.Error.WriteLine($"error: {message}");
        return code;
    }
}

/// <summary>The command line asks for something that cannot be done; the message says what would do.</summary>
public sealed class UsageException(string message) : Exception(message);

/// <summary>Bytes written, on one line of the terminal.</summary>
internal sealed class ProgressLine(TextWriter terminal) : IProgress<GgufProgress>
{
    private long _percent = -1;

    public void Report(GgufProgress value)
    {
        var percent = value.BytesDone * 100 / Math.Max(1, value.BytesTotal);
        if (percent == _percent) return;
        _percent = percent;
        terminal.Write($"\r{percent,3} % of {Sizes.Text(value.BytesTotal)}{(percent == 100 ? "\n" : "")}");
    }
}
