using FinerCut.Gateway;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Demo;
using FinerCut.Jobs;

const string Usage = """
    FinerCut.Gateway: serves GGUF models over OpenAI-compatible endpoints and makes them leaner on their own traffic.

      (no verb) [--Section:Key value …]   serve; settings from appsettings.json, environment (FINERCUT_Section__Key) and command line
      demo [--stay]                       the whole loop on the embedded model: serve, record, prune, prove, hot-swap
      key create NAME                     makes a client key while no gateway runs; shown once
      prune | eval | bench | gguf …       the Worker's verbs; add --help
    """;

switch (args)
{
    case ["--help" or "-h" or "help", ..]:
        Console.WriteLine(Usage);
        return ExitCode.Success;
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
        await Console.Error.WriteLineAsync($"'{verb}' is no verb.\n\n{Usage}");
        return ExitCode.BadInput;
    default:
        return await ServeVerb.RunAsync(args);
}
