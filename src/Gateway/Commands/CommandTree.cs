using System.CommandLine;
using System.CommandLine.Invocation;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary>
/// All verbs of the program in one tree, for help, for errors that name the nearest right word, and for shell completion. What serves or works on files
/// is dispatched by Program before; here it has its line of help only.
/// </summary>
public static class CommandTree
{
    public static RootCommand Create() => new("FinerCut.Gateway serves GGUF models over OpenAI-compatible endpoints and makes them leaner on their own traffic.\nWithout a verb it serves.")
    {
        new Command("serve", "Serves; settings come from appsettings.json, FINERCUT_Section__Key and --Section:Key value."),
        new Command("demo", "The whole loop on the embedded model: serve, record, prune, prove, hot-swap."),
        new Command("key", "key create NAME: makes a client key while no gateway runs, such as before the first public start."),
        KeyCommands.Create(),
        ModelCommands.Create(),
        JobCommands.Create(),
        HealthCommand.Create(),
        new Command("prune", "Prunes a model file by a job file, without a gateway."),
        new Command("eval", "Measures a model file, alone or against another."),
        new Command("gguf", "Looks into GGUF files, checks, compares, cuts, splits and edits them."),
        Completion(),
    };

    /// <summary>One-line errors with the nearest right word, exit code 2; help where it is asked for.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Create().Parse(arguments);
        if (parsed.Action is ParseErrorAction wrong) wrong.ShowHelp = false;
        var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });
        return parsed.Errors.Count > 0 ? ExitCode.BadInput : code;
    }

    private static Command Completion()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash or zsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var command = new Command("completion", "Prints a script that completes verbs and options: eval \"$(finercut completion bash)\".") { shell };
        command.SetAction(parsed =>
        {
            // The directive [suggest:N] makes the program itself list what may stand at letter N of the line.
            const string Bash = """
                _finercut() { local IFS=$'\n'; COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}")); }
                complete -F _finercut finercut FinerCut.Gateway
                """;
            Console.WriteLine(parsed.GetRequiredValue(shell) == "bash" ? Bash : "autoload -U +X bashcompinit && bashcompinit\n" + Bash);
            return ExitCode.Success;
        });
        return command;
    }
}
