using FinerCut.FakeWorker;

// Speaks the Worker's contracts (docs of src/Abstractions/Jobs) without a model: fast, and faulty on demand.
var options = new Dictionary<string, string>(StringComparer.Ordinal);
for (var i = 1; i < args.Length; i++)
{
    if (i + 1 < args.Length && !args[i + 1].StartsWith("--", StringComparison.Ordinal)) options[args[i]] = args[++i];
    else options[args[i]] = "true";
}

switch (args.FirstOrDefault())
{
    case "serve":
        return await FakeServe.RunAsync(options);
    case "prune":
        if (options.ContainsKey("--supervised")) Supervision.Begin();
        return await FakePrune.RunAsync(options["--job"]);
    default:
        // Other verbs: shows what it was given, for tests of the pass-through.
        Console.WriteLine(string.Join(' ', args));
        return options.TryGetValue("--exit", out var code) ? int.Parse(code) : 0;
}
