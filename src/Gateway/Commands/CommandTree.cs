using System.CommandLine;
using FinerCut.CommandLine;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Demo;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary>
/// All verbs of the program in one tree, for help, for errors that name the nearest right word, and for shell completion. Serving and the Worker's verbs
/// are dispatched by Program before; here they have their help only.
/// </summary>
public static class CommandTree
{
    /// <summary>One-line errors with the nearest right word, exit code 2; help where it is asked for.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        // Verbs that begin a gateway, or work on its state folder, take its settings as well.
        var (own, settings) = arguments is ["demo" or "key", ..] ? SettingsOptions.Split(arguments) : (arguments, []);
        var parsed = Create(settings).Parse(own);
        if (OneLineErrors.Of(parsed) is { } wrong)
        {
            await Console.Error.WriteLineAsync(wrong);
            return ExitCode.BadInput;
        }

        // A gateway in this process has its own way with signals.
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = arguments is ["demo", ..] ? null : TimeSpan.FromMinutes(1) });
    }

    private static RootCommand Create(string[] settings) => new("FinerCut.Gateway serves GGUF models over OpenAI-compatible endpoints and makes them leaner on their own traffic.\nWithout a verb it serves.")
    {
        Serve(),
        DemoVerb.Create(settings),
        KeyVerb.Create(settings),
        KeyCommands.Create(),
        ModelCommands.Create(),
        JobCommands.Create(),
        HealthCommand.Create(),
        new Command("prune", "Makes a model file leaner without a gateway: on a file of traffic, or by a job file."),
        new Command("score", "Scores masks for a prune job that runs on another machine."),
        new Command("eval", "Measures a model file on a file of traffic, alone or against another."),
        new Command("bench", "Measures tokens a second of a model file, alone or against another."),
        new Command("gguf", "Looks into GGUF files, checks, compares, cuts, splits and edits them."),
        Completion.Command(),
    };

    private static Command Serve()
    {
        var serve = new Command("serve", "Serves until Ctrl-C or SIGTERM. Settings come from appsettings.json, the environment (FINERCUT_Listen__Port) and these options (docs/gateway.md); <id> is a name of your own.");
        foreach (var option in SettingsOptions.All) serve.Add(option);
        return serve;
    }
}
