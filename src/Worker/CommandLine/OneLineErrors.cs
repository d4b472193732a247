using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using FinerCut.Words;

namespace FinerCut.CommandLine;

/// <summary>
/// What is wrong with a command line, as one line that names the nearest right word. Compiled into the Worker and into the Gateway: they are one program to
/// its users. Pure.
/// </summary>
internal static class OneLineErrors
{
    public const string Program = "finercut";

    /// <summary>Null where nothing is wrong, or where help or completion was asked for.</summary>
    public static string? Of(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        if (parsed.Action is HelpAction || parsed.Tokens.Any(token => token.Type == TokenType.Directive)) return null;
        var command = parsed.CommandResult;
        var path = string.Join(' ', Path(command).Prepend(Program));

        // An option that does not exist is taken for an argument where one may stand, and for a value behind an option that wants one.
        var strange = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash)
            .FirstOrDefault(token => token.Type == TokenType.Argument && token.Value is ['-', '-', _, ..])?.Value.Split('=', ':')[0];
        if (strange is not null) return $"{path}: there is no option {strange}{Instead(strange, OptionsOf(command))}";
        if (parsed.Errors.Count == 0) return null;
        if (parsed.UnmatchedTokens is [var word, ..])
        {
            var verbs = command.Command.Subcommands.Where(verb => !verb.Hidden).Select(verb => verb.Name).ToArray();
            return verbs.Length > 0 ? $"{path}: there is no verb {word}{Instead(word, verbs)}"
                : word.StartsWith('-') ? $"{path}: there is no option {word}{Instead(word, OptionsOf(command))}"
                : $"{path}: {word} is one word too many; {path} --help shows what may stand here.";
        }

        return $"{path}: {string.Join(' ', parsed.Errors.Select(Told).Distinct())}";
    }

    /// <summary>The parser tells types as the language names them, and lists over several lines.</summary>
    private static string Told(ParseError error)
    {
        var message = error.Message.ReplaceLineEndings(" ");
        var (name, type, given) = error.SymbolResult switch
        {
            OptionResult option => (option.Option.Name, option.Option.ValueType, option.Tokens),
            ArgumentResult { Parent: OptionResult option } => (option.Option.Name, option.Option.ValueType, option.Tokens),
            ArgumentResult argument => (argument.Argument.Name, argument.Argument.ValueType, argument.Tokens),
            _ => ("", typeof(string), []),
        };
        var value = given.Count == 0 ? "" : " " + given[^1].Value;
        if (message.StartsWith("Cannot parse argument", StringComparison.Ordinal)) return $"{name}{value}: expected {Kind(type)}.";
        if (!message.Contains("Must be one of", StringComparison.Ordinal)) return message;
        string[] words = [.. message.Split("Must be one of", 2)[1].Split('\'').Where((_, at) => at % 2 == 1)];
        return $"{name}{value}: expected {string.Join(", ", words)}{(NearestName.To(value.Trim(), words) is { } nearest ? $"; did you mean {nearest}?" : ".")}";
    }

    private static string Kind(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type == typeof(int) || type == typeof(long) ? "a whole number"
            : type == typeof(double) || type == typeof(float) ? "a number"
            : type == typeof(DateTimeOffset) || type == typeof(DateTime) ? "a date such as 2030-01-31"
            : type == typeof(bool) ? "true or false"
            : "another value";
    }

    private static string Instead(string word, IReadOnlyCollection<string> known) =>
        NearestName.To(word, known) is { } nearest ? $"; did you mean {nearest}?" : $"; known here: {string.Join(", ", known)}.";

    private static Stack<string> Path(CommandResult command)
    {
        var names = new Stack<string>();
        for (var at = command; at.Parent is CommandResult parent; at = parent) names.Push(at.Command.Name);
        return names;
    }

    private static string[] OptionsOf(CommandResult command)
    {
        var options = command.Command.Options.ToList();
        for (var at = command.Parent as CommandResult; at is not null; at = at.Parent as CommandResult) options.AddRange(at.Command.Options.Where(option => option.Recursive));
        return [.. options.Where(option => !option.Hidden).SelectMany(option => option.Aliases.Prepend(option.Name)).Where(name => name.StartsWith("--", StringComparison.Ordinal)).Distinct()];
    }
}
