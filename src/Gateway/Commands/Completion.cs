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
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Prints a script that completes verbs and options: eval \"$(finercut completion bash)\"; for fish, finercut completion fish | source.") { shell };
        command.SetAction(parsed =>
        {
            Console.WriteLine(Script(parsed.GetRequiredValue(shell)));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Where nothing of the program's own fits, file names are completed.</summary>
    internal static string Script(string shell)
    {
        // A colon ends a word in bash: of --Listen:Port it replaces what stands behind the last one only.
        const string Bash = """
            _finercut() {
              local IFS=$'\n' word=${COMP_LINE:0:COMP_POINT}
              word=${word##* }
              COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "$word"))
              case $COMP_WORDBREAKS in *:*) COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}") ;; esac
            }
            complete -o default -F _finercut finercut
            """;
        const string Fish = """
            function __finercut
              set -l line (commandline -cp)
              set -l program (string split -f 1 ' ' -- $line)
              $program "[suggest:"(string length -- $line)"]" $line 2>/dev/null
            end
            complete -c finercut -a '(__finercut)'
            """;
        return shell switch
        {
            "fish" => Fish,
            "zsh" => "autoload -U +X bashcompinit && bashcompinit\n" + Bash,
            _ => Bash,
        };
    }
}
