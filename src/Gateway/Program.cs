using FinerCut.CommandLine;
using FinerCut.Gateway;
using FinerCut.Gateway.Commands;
using FinerCut.Jobs;

if (Completion.Asked(args) is { } asked) return asked.Verb is { } half && WorkerVerbs.Names.Contains(half) ? await WorkerVerbs.RunAsync(asked.To(WorkerVerbs.RootName)) : await CommandTree.RunAsync(asked.To(OneLineErrors.Program));
if (args is ["help", .. var about]) args = [.. about, "--help"];
switch (args)
{
    case ["--version"]:
        Console.WriteLine(typeof(ServeVerb).Assembly.GetName().Version?.ToString(3));
        return ExitCode.Success;
    case [var verb, ..] when WorkerVerbs.Names.Contains(verb):
        return await WorkerVerbs.RunAsync(args);
    case [.. var words] when words.Any(word => word is "--help" or "-h" or "-?"):
        return await CommandTree.RunAsync(words);
    case ["serve", .. var rest]:
        return await ServeVerb.RunAsync(rest);
    case []:
        return await ServeVerb.RunAsync([]);
    case [var option, ..] when option.StartsWith("--", StringComparison.Ordinal):
        return await ServeVerb.RunAsync(args);
    default:
        return await CommandTree.RunAsync(args);
}
