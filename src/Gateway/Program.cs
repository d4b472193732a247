using FinerCut.Gateway;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Commands;
using FinerCut.Gateway.Demo;
using FinerCut.Jobs;

switch (args)
{
    case ["--help" or "-h" or "-?" or "help", ..]:
        return await CommandTree.RunAsync(["--help"]);
    case ["--version"]:
        Console.WriteLine(typeof(ServeVerb).Assembly.GetName().Version?.ToString(3));
        return ExitCode.Success;
    case ["serve", .. var rest]:
        return await ServeVerb.RunAsync(rest);
    case ["demo", .. var rest]:
        return await DemoVerb.RunAsync(rest);
    case ["key", .. var rest]:
        return await KeyVerb.RunAsync(rest);
    case [var verb, ..] when WorkerVerbs.Names.Contains(verb):
        return await WorkerVerbs.RunAsync(args);
    case [var verb, ..] when !verb.StartsWith('-'):
        return await CommandTree.RunAsync(args);
    default:
        return await ServeVerb.RunAsync(args);
}
