using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Jobs;
using FinerCut.Pruning.Evaluations;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Worker.Gguf;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Eval;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(EvaluationFigures))]
internal sealed partial class EvalJson : JsonSerializerContext;

/// <summary>
/// <c>eval MODEL [--against FULL] [--text FILE] [--tasks FILE.jsonl]</c>: perplexity, KL and agreement with another model, multiple choice. Figures go to
/// standard output, progress to standard error.
/// </summary>
public static class EvalVerb
{
    private const int DefaultContext = 512;

    public static Command Create()
    {
        var model = new Argument<FileInfo>("MODEL") { Description = "The GGUF file to measure; of a split one the first shard." };
        var against = new Option<FileInfo?>("--against") { Description = "A model with the same tokens, such as the full one, to compare with [default: none]" };
        var text = new Option<FileInfo?>("--text") { Description = "A text file: perplexity, and beside another model KL and agreement [default: none]" };
        var tasks = new Option<FileInfo?>("--tasks") { Description = "Lines of {\"question\", \"choices\", \"answer\"}; the answer is the right choice's index (from 0) or its text [default: none]" };
        var context = new Option<int>("--context") { DefaultValueFactory = _ => DefaultContext, Description = "Tokens of a chunk of the text." };
        var chunks = new Option<int?>("--chunks") { Description = "Chunks of the text at most [default: all]" };
        var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount, Description = "Threads: the machine's processors where nothing is said." };
        var gpuLayers = ServeOptions.Layers();
        var json = new Option<bool>("--json") { Description = "JSON instead of text." };
        var command = new Command("eval", "Measures a model file, alone or against another.") { model, against, text, tasks, context, chunks, threads, gpuLayers, json };
        command.SetAction((parsed, stop) => Task.FromResult(Guard(() =>
        {
            var order = new EvalOrder(
                parsed.GetRequiredValue(model).FullName, parsed.GetValue(against)?.FullName, parsed.GetValue(text)?.FullName, parsed.GetValue(tasks)?.FullName,
                parsed.GetValue(context), parsed.GetValue(chunks) ?? int.MaxValue, parsed.GetValue(threads), parsed.GetValue(gpuLayers));
            var figures = Run(order, TimeProvider.System, TerminalProgress.OnStandardError(), stop);
            if (parsed.GetValue(json)) Console.WriteLine(JsonSerializer.Serialize(figures, EvalJson.Default.EvaluationFigures));
            else Write(figures, Console.Out);
            return ExitCode.Success;
        })));
        return command;
    }

    private static EvaluationFigures Run(EvalOrder order, TimeProvider time, TerminalProgress terminal, CancellationToken stop)
    {
        order.Check();
        var began = time.GetTimestamp();
        var questions = order.Tasks is null ? null : TaskFile.Read(order.Tasks);
        var text = order.Text is null ? null : TaskFile.ReadText(order.Text);
        terminal.Tell("loading", null);
        var natives = NativeRuntime.Open(null, null);
        using var model = natives.Load(new ModelOptions { Path = order.Model, GpuLayers = order.GpuLayers }, null, stop);
        using var against = order.Against is null ? null : natives.Load(new ModelOptions { Path = order.Against, GpuLayers = order.GpuLayers }, null, stop);
        if (against is not null && against.Info.VocabularySize != model.Info.VocabularySize)
        {
            throw new UsageException($"--against: {order.Against} has {against.Info.VocabularySize} tokens, {order.Model} has {model.Info.VocabularySize}; they cannot be compared.");
        }

        // Everything is read and checked before the first decode.
        var chunks = text is null ? null : TextEvaluation.Chunks(model.Vocabulary, text, Math.Min(order.Context, Math.Max(8, model.Info.ContextLength)), order.Chunks);
        if (chunks is { Sequences.IsEmpty: true }) throw new UsageException($"--text: {order.Text} holds fewer than two tokens.");
        var sequences = questions is null ? null : TaskEvaluation.Sequences(model.Vocabulary, questions, model.Info.ContextLength);
        var onText = chunks is null ? null : TextEvaluation.Run(model, against, chunks, order.Threads, Telling("text", time.GetTimestamp()), stop);
        var onTasks = sequences is null ? null : TaskEvaluation.Run(model, against, questions!, sequences, order.Threads, Telling("tasks", time.GetTimestamp()), stop);
        terminal.End();
        return new EvaluationFigures(order.Model, order.Against, onText, onTasks, time.GetElapsedTime(began).TotalSeconds);

        Action<int, int> Telling(string what, long since) => (done, all) =>
            terminal.Tell($"{what} {done}/{all}", time.GetElapsedTime(since).TotalSeconds / done * (all - done), (double)done / all);
    }

    private static void Write(EvaluationFigures figures, TextWriter output)
    {
        void Line(string name, Estimate? value)
        {
            if (value is not null) output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-28}{value.Mean,10:F4}  [{value.Low:F4}, {value.High:F4}]"));
        }

        if (figures.Text is { } text)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"text: {text.Tokens} tokens scored in {text.Chunks} chunks"));
            Line("perplexity", text.Perplexity);
            Line("perplexity of the other", text.AgainstPerplexity);
            Line("KL(other, model)", text.Kl);
            Line("same most likely token", text.Top1Agreement);
        }

        if (figures.Tasks is not { } tasks) return;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"tasks: {tasks.Questions} questions"));
        Line("accuracy (a byte)", tasks.Accuracy);
        Line("accuracy (as it is)", tasks.PlainAccuracy);
        Line("accuracy of the other", tasks.AgainstAccuracy);
        Line("same choice", tasks.SameChoice);
    }

    private static int Guard(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (OperationCanceledException)
        {
            return Failed("stopped", ExitCode.Interrupted);
        }
        catch (Exception e) when (e is UsageException or ArgumentException)
        {
            return Failed(e.Message, ExitCode.BadInput);
        }
        catch (LlamaException e)
        {
            return Failed($"{e.Code}: {e.Message}", ExitCode.Failed);
        }
    }

    private static int Failed(string message, int code)
    {
        Console.Error.WriteLine($"error: {message}");
        return code;
    }
}

/// <summary>What is to be measured.</summary>
internal sealed record EvalOrder(string Model, string? Against, string? Text, string? Tasks, int Context, int Chunks, int Threads, int GpuLayers)
{
    /// <exception cref="UsageException">Something of it cannot be; the message says what.</exception>
    public void Check()
    {
        if (Text is null && Tasks is null) throw new UsageException("Nothing to measure: give --text FILE, --tasks FILE.jsonl or both.");
        if (Context is < 8 or > 1_000_000) throw new UsageException($"--context {Context}: give 8 to 1000000.");
        if (Chunks < 1) throw new UsageException($"--chunks {Chunks}: give 1 or more.");
        if (Threads is < 1 or > 1024) throw new UsageException($"--threads {Threads}: give 1 to 1024.");
        foreach (var path in new[] { Model, Against }.OfType<string>())
        {
            if (ModelVetting.Fault(path) is { } fault) throw new UsageException(fault);
        }
    }
}
