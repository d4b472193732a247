using System.CommandLine;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.ServeBench;

// The served path (HTTP, event streams) against the ceiling: the same runtime, file, threads and batch sizes in a bare loop without HTTP, JSON,
// scheduling or text. Both are run in turn, so that whatever else the machine does hits both; the table gives medians and their ratio.
//   dotnet run -c Release --project bench/ServeBench -- --streams 1,4,8
//   ... --peer http://127.0.0.1:8081   compares any OpenAI-compatible server (llama-server with the same file and threads) as well.
var streams = new Option<string>("--streams") { DefaultValueFactory = _ => "1,4,8", Description = "Concurrent requests, by comma." };
var rounds = new Option<int>("--rounds") { DefaultValueFactory = _ => 5 };
var tokens = new Option<int>("--tokens") { DefaultValueFactory = _ => 96, Description = "Tokens of each answer in the decode measure." };
var prompt = new Option<int>("--prompt-tokens") { DefaultValueFactory = _ => 400, Description = "Tokens of each prompt in the prefill measure." };
var threads = new Option<int>("--threads") { DefaultValueFactory = _ => Environment.ProcessorCount };
var model = new Option<string?>("--model") { Description = "GGUF file; default: the embedded model." };
var peer = new Option<string?>("--peer") { Description = "Base address of another server to compare." };
var kinds = new Option<string>("--measures") { DefaultValueFactory = _ => "decode,prefill", Description = "decode, prefill, common (a beginning that all prompts share), mixed (short and long prompts at once); by comma." };
var beside = new Option<int>("--beside") { Description = "Also measure so many clients with short prompts, alone and beside one with 4,000-token prompts." };
var job = new Option<int>("--job") { Description = "Also measure the gaps between tokens of so many streams, alone and beside a prune job of the same model on the same machine." };
var jobThreads = new Option<int>("--job-threads") { Description = "Of that job; 0 = what a job takes by itself." };
var pushy = new Option<bool>("--job-pushy") { Description = "That job does not yield." };
var rate = new Option<double>("--rate") { Description = "Also send requests at so many a second (Poisson arrivals), answered or not." };
var seconds = new Option<double>("--seconds") { DefaultValueFactory = _ => 60, Description = "For so long." };
var firstLimit = new Option<double>("--ttft-limit") { DefaultValueFactory = _ => 4000, Description = "Goodput counts answers that begin within so many ms," };
var gapLimit = new Option<double>("--itl-limit") { DefaultValueFactory = _ => 400, Description = "with a mean time of so many ms between tokens." };
var besideRequests = new Option<int>("--beside-requests") { DefaultValueFactory = _ => 5, Description = "Requests of each client beside." };
var template = new Option<int>("--template") { Description = "Also time so many renders of the model's chat template with ten turns." };
var root = new RootCommand("Served path against the in-process ceiling.")
{
    streams, rounds, tokens, prompt, threads, model, peer, kinds, beside, besideRequests, rate, seconds, firstLimit, gapLimit, job, jobThreads, pushy, template,
};
root.SetAction(async (parsed, stop) =>
{
    var path = parsed.GetValue(model) ?? Path.Combine(Places.Repository(), "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
    var counts = parsed.GetValue(streams)!.Split(',').Select(int.Parse).ToArray();
    var load = new Load(parsed.GetValue(tokens), parsed.GetValue(prompt), counts.Max());
    using var loaded = NativeRuntime.Open().Load(new ModelOptions { Path = path }, null, stop);
    using var ceiling = new Ceiling(loaded, load, parsed.GetValue(threads));
    await using var served = await Served.StartAsync(path, load, parsed.GetValue(threads));
    var targets = new List<(string Name, ITarget Target)> { ("ceiling", ceiling), ("served", served) };
    using var other = parsed.GetValue(peer) is { } address ? new HttpTarget(new Uri(address)) : null;
    if (other is not null) targets.Add(("peer", other));
    var measures = parsed.GetValue(kinds)!.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(name => Enum.Parse<MeasureKind>(name, ignoreCase: true)).ToArray();
    if (measures.Length > 0) await Comparison.RunAsync(targets, measures, counts, parsed.GetValue(rounds), load, stop);
    if (parsed.GetValue(template) is > 0 and var renders) await TemplateTime.RunAsync(served.Target, renders, stop);
    if (parsed.GetValue(job) is > 0 and var listeners) await BesideJob.RunAsync(served.Target, path, listeners, parsed.GetValue(rounds), parsed.GetValue(jobThreads), !parsed.GetValue(pushy), stop);
    List<(string Name, HttpTarget Target)> servers = [("served", served.Target)];
    if (other is not null) servers.Add(("peer", other));
    if (parsed.GetValue(beside) is > 0 and var clients) await Beside.RunAsync(servers, clients, parsed.GetValue(besideRequests), stop);
    if (parsed.GetValue(rate) is > 0 and var perSecond)
    {
        await new OpenLoop(
            perSecond, TimeSpan.FromSeconds(parsed.GetValue(seconds)), TimeSpan.FromMilliseconds(parsed.GetValue(firstLimit)), TimeSpan.FromMilliseconds(parsed.GetValue(gapLimit)))
            .RunAsync(servers, load, stop);
    }
});
return await root.Parse(args).InvokeAsync();
