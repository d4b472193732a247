using System.CommandLine;
using FinerCut.CommandLine;
using FinerCut.Jobs;
using FinerCut.Worker.Bench;
using FinerCut.Worker.Eval;
using FinerCut.Worker.Gguf;
using FinerCut.Worker.Prune;
using FinerCut.Worker.Score;
using FinerCut.Worker.Serving;

// The process next to the model. Each verb is a class with `static Command Create()`; one line a verb.
var root = new RootCommand("FinerCut worker: serves one GGUF model, or works on GGUF files.")
{
    ServeVerb.Create(),
    PruneVerb.Create(),
    ScoreVerb.Create(),
    EvalVerb.Create(),
    BenchVerb.Create(),
    GgufVerb.Create(),
};

var parsed = root.Parse(args);
if (OneLineErrors.Of(parsed) is { } wrong)
{
    await Console.Error.WriteLineAsync(wrong);
    return ExitCode.BadInput;
}

// Help is told under the name that users type. SIGINT and SIGTERM cancel the verb's token; how long it may take to end is the verb's own business.
using var said = new StringWriter();
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromHours(1), Output = said });
Console.Write(said.ToString().Replace($"  {root.Name} ", $"  {OneLineErrors.Program} ", StringComparison.Ordinal));
return code;
