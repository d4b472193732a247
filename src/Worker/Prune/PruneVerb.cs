using System.CommandLine;
using System.Text.Json;
using FinerCut.Jobs;
using FinerCut.Pruning;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Worker.Gguf;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Prune;

/// <summary>
/// <c>prune --job FILE</c> or <c>prune MODEL --traffic FILE.jsonl --budget …</c>: runs or resumes one job. Of a job file, and with --json, standard output carries
/// <see cref="PruneLine"/>s and nothing else, the last one the result, which also lies as result.json in the work folder; otherwise it tells people how it ended. SIGTERM and
/// SIGINT write the checkpoint and end with <see cref="ExitCode.Interrupted"/>.
/// </summary>
public static class PruneVerb
{
    public static Command Create()
    {
        var typed = new PruneOptions();
        var job = new Option<FileInfo?>("--job") { Description = "The job as a file instead of MODEL: a prune request as JSON, docs/pruning.md [default: none]" };
        var json = new Option<bool>("--json") { Description = "Progress and result as lines of JSON." };
        var supervised = new Option<bool>("--supervised") { Description = "Own process group; ends as soon as standard input does.", Hidden = true };
        var command = new Command("prune", "Finds out what a model can do without on recorded traffic, and writes the lean model.") { job, json, supervised };
        typed.AddTo(command);
        command.SetAction((parsed, stop) =>
        {
            if (parsed.GetValue(supervised)) Supervision.Begin();
            if (typed.IsGiven(parsed) == (parsed.GetValue(job) is not null)) return Task.FromResult(Wrong("Give either --job FILE, or MODEL with --traffic and --budget."));
            return parsed.GetValue(job) is { } file ? RunAsync(file.FullName, TimeProvider.System, stop) : RunAsync(typed, parsed, parsed.GetValue(json), TimeProvider.System, stop);
        });
        return command;
    }

    private static int Wrong(string message)
    {
        Console.Error.WriteLine($"error: {message}");
        return ExitCode.BadInput;
    }

    private static async Task<int> RunAsync(PruneOptions typed, ParseResult parsed, bool json, TimeProvider clock, CancellationToken stop)
    {
        PruneRequest request;
        try
        {
            request = typed.Read(parsed);
        }
        catch (UsageException wrong)
        {
            return Wrong(wrong.Message);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Wrong($"The work folder cannot be written: {failure.Message}");
        }

        using var output = Console.OpenStandardOutput();
        var terminal = TerminalProgress.OnStandardError();
        PruneResult result;
        try
        {
            result = await PruneAsync(request, json ? new ProgressLines(output) : new PruneText(terminal), clock, stop);
        }
        finally
        {
            PruneOptions.Forget(request);
        }

        terminal.End();
        if (json) return Finish(result, request, output);
        PruneText.Write(result, request.OutputPath, Console.Out);
        if (result.Outcome == PruneOutcome.Interrupted) Console.Error.WriteLine("stopped; the same command goes on from its checkpoint");
        return Finish(result, request, Stream.Null);
    }

    private static async Task<int> RunAsync(string path, TimeProvider clock, CancellationToken stop)
    {
        using var output = Console.OpenStandardOutput();
        var (request, error) = ReadJob(path);
        if (request is null) return Finish(new PruneResult { JobId = Path.GetFileNameWithoutExtension(path), Outcome = PruneOutcome.Failed, Error = error }, null, output);
        return Finish(await PruneAsync(request, new ProgressLines(output), clock, stop), request, output);
    }

    private static async Task<PruneResult> PruneAsync(PruneRequest request, IProgress<PruneProgress> progress, TimeProvider clock, CancellationToken stop)
    {
        if (request.Yield && !Yielding.Begin()) Console.Error.WriteLine("warning: the system does not let this job yield to everything else; it runs at a low priority");
        using var loggers = LoggerFactory.Create(logging => logging
            .SetMinimumLevel(LogLevel.Warning)
            .AddSimpleConsole(console => console.SingleLine = true)
            .Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
        try
        {
            return await new FinerCutPruner(NativeRuntime.Open(null, loggers), clock) { LimitHeap = HeapLimit.Set }.PruneAsync(request, new RecordedTraffic(clock), progress, stop);
        }
        catch (LlamaException natives)
        {
            return new PruneResult { JobId = request.JobId, Outcome = PruneOutcome.Failed, Error = new JobError(JobErrorCodes.RuntimeFailed, $"{natives.Code}: {natives.Message}") };
        }
    }

    private static (PruneRequest? Request, JobError? Error) ReadJob(string path)
    {
        try
        {
            var request = JsonSerializer.Deserialize(File.ReadAllBytes(path), ContractJson.Default.PruneRequest);
            return request is null ? (null, new JobError(JobErrorCodes.BadRequest, $"{path} holds null instead of a prune request.")) : (request, null);
        }
        catch (JsonException cause)
        {
            return (null, new JobError(JobErrorCodes.BadRequest, $"{path}: {cause.Message}"));
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return (null, new JobError(JobErrorCodes.BadRequest, $"The job file cannot be read: {cause.Message}"));
        }
    }

    private static int Finish(PruneResult result, PruneRequest? request, Stream output)
    {
        if (!string.IsNullOrWhiteSpace(request?.WorkFolder))
        {
            try
            {
                AtomicFile.Write(Path.Combine(request.WorkFolder, "result.json"), JsonSerializer.SerializeToUtf8Bytes(result, ContractJson.Default.PruneResult));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"error: the result could not be written: {failure.Message}");
            }
        }

        if (result.Error is { } error) Console.Error.WriteLine($"error: {error.Message}");
        ProgressLines.Write(output, new PruneLine(Result: result));
        return CodeOf(result);
    }

    private static int CodeOf(PruneResult result) => result.Outcome switch
    {
        PruneOutcome.Passed => ExitCode.Success,
        PruneOutcome.Refused => ExitCode.Refused,
        PruneOutcome.Interrupted => ExitCode.Interrupted,
        _ when result.Error?.Code == JobErrorCodes.DiskFull => ExitCode.DiskFull,
        _ when result.Error is { } error && JobErrorCodes.IsBadInput(error.Code) => ExitCode.BadInput,
        _ => ExitCode.Failed,
    };
}

/// <summary>Progress as lines of JSON. A reader that went away does not end the job: its checkpoint and result lie on the disk.</summary>
internal sealed class ProgressLines(Stream output) : IProgress<PruneProgress>
{
    public void Report(PruneProgress value) => Write(output, new PruneLine(Progress: value));

    public static void Write(Stream output, PruneLine line)
    {
        try
        {
            output.Write([.. JsonSerializer.SerializeToUtf8Bytes(line, ContractJson.Default.PruneLine), (byte)'\n']);
            output.Flush();
        }
        catch (IOException)
        {
            // Nobody reads any more.
        }
    }
}
