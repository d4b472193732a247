using System.CommandLine;
using FinerCut.Jobs;

namespace FinerCut.Worker.Serving;

/// <summary><c>serve --model PATH</c>: one model over OpenAI's endpoints, with llama-server's option names.</summary>
public static class ServeVerb
{
    public static Command Create()
    {
        var command = new Command("serve", "Serves one GGUF model over OpenAI's endpoints, with llama-server's option names.");
        var options = new ServeOptions();
        options.AddTo(command);
        command.SetAction(async (parsed, stop) =>
        {
            ServeConfig config;
            try
            {
                config = options.Bind(parsed);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync($"error: {exception.Message}");
                return ExitCode.BadInput;
            }

            return await new WorkerProcess(config, TimeProvider.System).RunAsync(stop);
        });
        return command;
    }
}
