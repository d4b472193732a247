using System.CommandLine;

namespace FinerCut.Worker.Serving;

/// <summary><c>serve --model PATH</c>: one model over OpenAI's endpoints, with llama-server's option names.</summary>
public static class ServeVerb
{
    public static Command Create()
    {
        var model = new Option<FileInfo>("--model", "-m") { Required = true, Description = "The GGUF file." };
        var command = new Command("serve", "Serves one GGUF model over OpenAI's endpoints.") { model };
        command.SetAction((_, _) => Task.FromResult(0));
        return command;
    }
}
