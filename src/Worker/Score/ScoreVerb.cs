using System.CommandLine;
using System.Net;
using System.Text.Json;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Worker.Prune;
using FinerCut.Worker.Serving;
using Microsoft.AspNetCore.Connections;

namespace FinerCut.Worker.Score;

/// <summary>
/// <c>score --model PATH</c>: scores masks for a search that runs on another machine (docs/cluster.md). Standard output carries the line that says where it listens; who asks must send
/// the key in LLAMA_API_KEY.
/// </summary>
public static class ScoreVerb
{
    public static Command Create()
    {
        var model = new Option<FileInfo>("--model", "-m") { Required = true, Description = "The GGUF file; of a split one the first shard." };
        var host = new Option<string>("--host") { DefaultValueFactory = _ => "127.0.0.1", Description = "IP address to listen on." };
        var port = ServeOptions.Whole("--port", 0, 0, 65535, "Port to listen on; 0 = any free one.");
        var threads = ServeOptions.Whole("--threads", 0, 0, 1024, "Threads; 0 = the machine's processors.", "-t");
        var gpuLayers = ServeOptions.Layers();
        var idle = ServeOptions.Whole("--idle-seconds", 0, 0, 1 << 20, "Ends when nobody has asked for so long; 0 = never.");
        var sha256 = new Option<string?>("--sha256") { Description = "Of the file, where it is known: saves reading it. [default: reckoned]" };
        var yield = new Option<bool>("--yield") { Description = "Run only when nothing else wants the processors." };
        var supervised = new Option<bool>("--supervised") { Description = "Own process group; ends as soon as standard input does.", Hidden = true };
        var command = new Command("score", "Scores masks for a prune job that runs on another machine.") { model, host, port, threads, gpuLayers, idle, sha256, yield, supervised };
        command.SetAction((parsed, stop) =>
        {
            if (parsed.GetValue(supervised)) Supervision.Begin();
            if (parsed.GetValue(yield)) Yielding.Begin();
            if (!IPAddress.TryParse(parsed.GetValue(host), out var address)) return FailAsync(ExitCode.BadInput, $"--host {parsed.GetValue(host)}: expected an IP address.");
            var key = Environment.GetEnvironmentVariable("LLAMA_API_KEY");
            if (string.IsNullOrEmpty(key) && !IPAddress.IsLoopback(address)) return FailAsync(ExitCode.BadInput, "LLAMA_API_KEY is not set: a scorer that other machines reach asks for a key.");
            var options = new ModelOptions { Path = parsed.GetRequiredValue(model).FullName, GpuLayers = parsed.GetValue(gpuLayers) };
            return RunAsync(options, parsed.GetValue(sha256), parsed.GetValue(threads), new ScoreServer(address, parsed.GetValue(port), key, TimeProvider.System), TimeSpan.FromSeconds(parsed.GetValue(idle)), stop);
        });
        return command;
    }

    private static async Task<int> RunAsync(ModelOptions model, string? sha256, int threads, ScoreServer server, TimeSpan idle, CancellationToken stop)
    {
        await using (server)
        {
            try
            {
                await server.StartAsync(stop);
            }
            catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException or InvalidOperationException)
            {
                return await FailAsync(exception.InnerException is AddressInUseException ? ExitCode.AddressInUse : ExitCode.BadInput, $"Cannot listen: {exception.Message}");
            }

            await Console.Out.WriteLineAsync(JsonSerializer.Serialize(new ServeLine(server.Listening), ContractJson.Default.ServeLine));
            await Console.Out.FlushAsync(CancellationToken.None);
            try
            {
                using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
                using var scoring = await Task.Run(() => ScoringHost.Load(NativeRuntime.Open(null, loggers), model, sha256, threads, stop), CancellationToken.None);
                server.SetReady(scoring);
                await server.IdleAsync(idle, stop);
                await server.StopAsync();
                return ExitCode.Success;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return ExitCode.Success;
            }
            catch (Exception exception) when (exception is GgufException or UnsupportedModelException or IOException or UnauthorizedAccessException)
            {
                return await FailAsync(ExitCode.BadInput, exception.Message);
            }
            catch (LlamaException exception)
            {
                return await FailAsync(ExitCode.Failed, $"{exception.Code}: {exception.Message}");
            }
        }
    }

    private static async Task<int> FailAsync(int code, string message)
    {
        await Console.Error.WriteLineAsync($"error: {message}");
        return code;
    }
}
