using System.CommandLine;
using FinerCut.Jobs;
using FinerCut.Worker.Eval;
using FinerCut.Worker.Gguf;
using FinerCut.Worker.Prune;
using FinerCut.Worker.Serving;

// The process next to the model. Each verb is a class with `static Command Create()`; one line a verb.
var root = new RootCommand("FinerCut worker: serves one GGUF model, or works on GGUF files.")
{
    ServeVerb.Create(),
    PruneVerb.Create(),
    EvalVerb.Create(),
    GgufVerb.Create(),
};

var parsed = root.Parse(args);
// SIGINT and SIGTERM cancel the verb's token; how long it may take to end is the verb's own business.
var code = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromHours(1) });
return parsed.Errors.Count > 0 ? ExitCode.BadInput : code;
