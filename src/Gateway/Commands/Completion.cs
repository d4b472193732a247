using System.CommandLine;
using System.Globalization;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary>
/// Completion of a half-typed line. The shell's function asks the program itself by the directive <c>[suggest:N]</c>, which lists what may stand at letter
/// N of the line; lines of the Worker's verbs are answered by the Worker.
/// </summary>
/// <param name="Position">In the line, whose first word is the program.</param>
internal sealed record Completion(string Program, string Rest, int Position)
{
    public string? Verb => Rest.Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();

    /// <summary>Null where the arguments are no question of a shell.</summary>
    public static Completion? Asked(IReadOnlyList<string> arguments)
    {
        const string Directive = "[suggest:";
        if (arguments is not [var first, var line] || !first.StartsWith(Directive, StringComparison.Ordinal) || !first.EndsWith(']')) return null;
        if (!int.TryParse(first.AsSpan()[Directive.Length..^1], CultureInfo.InvariantCulture, out var position)) return null;
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? null : new Completion(line[..space], line[space..], position);
    }

    /// <summary>The same question to a program of another name: parsers know their own name only.</summary>
    public string[] To(string program) => [string.Create(CultureInfo.InvariantCulture, $"[suggest:{Math.Max(0, Position - Program.Length + program.Length)}]"), program + Rest];

    public static Command Command()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash or zsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        var command = new Command("completion", "Prints a script that completes verbs and options: eval \"$(finercut completion bash)\".") { shell };
        command.SetAction(parsed =>
        {
            const string Bash = """
                _finercut() { local IFS=$'\n'; COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}")); }
                complete -F _finercut finercut
                """;
            Console.WriteLine(parsed.GetRequiredValue(shell) == "bash" ? Bash : "autoload -U +X bashcompinit && bashcompinit\n" + Bash);
            return ExitCode.Success;
        });
        return command;
    }
}
