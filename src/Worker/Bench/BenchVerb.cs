using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Proofs;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Bench;

/// <summary><c>bench FILE [OTHER]</c>: how fast a model computes here, alone or side by side with another, without a server around it.</summary>
public static class BenchVerb
{
    public static Command Create()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "A model." };
        var other = new Argument<FileInfo?>("OTHER") { Description = "A second model, measured by turns with the first.", Arity = ArgumentArity.ZeroOrOne };
        var threads = ServeOptions.Whole("--threads", 0, 0, 1024, "Threads; 0 = the machine's processors.", "-t");
        var gpuLayers = ServeOptions.Layers();
        var rounds = ServeOptions.Whole("--rounds", 5, 1, 1000, "Measured rounds; the median is told.");
        var prompt = ServeOptions.Whole("--prompt-tokens", 256, 1, 1 << 20, "Tokens of the prompt, computed at once.");
        var decode = ServeOptions.Whole("--decode-tokens", 24, 1, 1 << 20, "Tokens after the prompt, one at a time.");
        var json = new Option<bool>("--json") { Description = "JSON instead of text." };
        var command = new Command("bench", "Measures tokens a second of a model file, alone or against another.") { file, other, threads, gpuLayers, rounds, prompt, decode, json };
        command.SetAction((parsed, stop) =>
        {
            var processors = parsed.GetValue(threads) is > 0 and var given ? given : Environment.ProcessorCount;
            var plan = new SpeedPlan(parsed.GetValue(rounds), parsed.GetValue(prompt), parsed.GetValue(decode));
            var layers = parsed.GetValue(gpuLayers);
            ModelOptions Options(FileInfo model) => new() { Path = model.FullName, GpuLayers = layers };
            return Task.FromResult(Run(
                new SpeedProbe(TimeProvider.System, processors, plan), Options(parsed.GetRequiredValue(file)), parsed.GetValue(other) is { } second ? Options(second) : null, parsed.GetValue(json), stop));
        });
        return command;
    }

    private static int Run(SpeedProbe probe, ModelOptions file, ModelOptions? otherFile, bool json, CancellationToken stop)
    {
        try
        {
            foreach (var each in (string?[])[file.Path, otherFile?.Path])
            {
                if (each is not null && GgufCheck.Check(each) is { IsSound: false } report) return Failed($"{each}: {report.Defects[0]}");
            }

            var runtime = NativeRuntime.Open(null, null);
            using var model = runtime.Load(file, null, stop);
            if (otherFile is null)
            {
                Write([(file.Path, probe.Measure(model, Told, stop))], json);
            }
            else
            {
                using var other = runtime.Load(otherFile, null, stop);
                var (first, second) = probe.Compare(model, other, Told, stop);
                Write([(file.Path, first), (otherFile.Path, second)], json);
            }

            return ExitCode.Success;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (exception is GgufException or LlamaException)
        {
            return Failed(exception.Message);
        }
    }

    private static void Write((string Path, Speed Speed)[] measured, bool json)
    {
        if (json)
        {
            Console.WriteLine(new JsonArray([.. measured.Select(one => new JsonObject
            {
                ["file"] = one.Path, ["prefill_tokens_per_second"] = one.Speed.Prefill, ["decode_tokens_per_second"] = one.Speed.Decode,
            })]).ToJsonString());
            return;
        }

        foreach (var (path, speed) in measured) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{path}  prefill {speed.Prefill:F1} tok/s, decode {speed.Decode:F1} tok/s"));
        if (measured is [var a, var b]) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"second/first: prefill {b.Speed.Prefill / a.Speed.Prefill:F2}, decode {b.Speed.Decode / a.Speed.Decode:F2}"));
    }

    private static void Told(int done, int all)
    {
        if (!Console.IsErrorRedirected) Console.Error.Write($"\rround {done} of {all}{(done == all ? "\n" : "")}");
    }

    private static int Failed(string message)
    {
        Console.Error.WriteLine($"error: {message}");
        return ExitCode.BadInput;
    }
}
