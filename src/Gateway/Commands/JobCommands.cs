using System.CommandLine;
using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;
using FinerCut.CommandLine;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary><c>jobs list|start|show|watch|cancel</c> against a running gateway.</summary>
internal static class JobCommands
{
    public static Command Create() => RemoteGateway.Group("jobs", "Prune jobs of a running gateway.", List(), Start(), Show(), Watch(), Cancel());

    private static Command List()
    {
        var command = new Command("list", "Lists all jobs, the oldest first.");
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.GetAsync("jobs", cancellationToken);
            if (Listing.AsJson(parsed, answer)) return ExitCode.Success;
            Listing.Table(["job", "model", "makes", "state", "ordered", "ended"], answer!["jobs"]!.AsArray().Select(job => new[]
            {
                job!["id"]!.ToString(), job["model"]!.ToString(), job["version"]!.ToString(), Listing.Text(job["state"]), Listing.Time(job["created_at"]), Listing.Time(job["ended_at"]),
            }));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Start()
    {
        var model = new Argument<string>("MODEL") { Description = "The model to make leaner; its traffic must have been recorded." };
        var budget = new Option<JsonObject>("--budget")
        {
            Description = $"What to remove: {PruneBudgetText.Forms}.", Required = true, CustomParser = result =>
            {
                if (BudgetText.Parse(result.Tokens[0].Value) is { } read) return read;
                result.AddError($"--budget {result.Tokens[0].Value}: expected {PruneBudgetText.Forms}.");
                return null;
            },
        };
        var search = new Option<string?>("--search") { Description = "How to search: auto, or one of those in docs/pruning.md [default: auto]" };
        var grains = new Option<string[]>("--grain") { Description = "What may go in one piece: block, sublayer, kv_group or ffn_slice; several times for several [default: all of them]" };
        grains.AcceptOnlyFromAmong("block", "sublayer", "kv_group", "ffn_slice");
        var healing = new Option<string?>("--healing") { Description = "How what goes is made up for: none, constant, low_rank, linear, refit or auto [default: auto]" };
        healing.AcceptOnlyFromAmong("none", "constant", "low_rank", "linear", "refit", "auto");
        var limits = new Option<JsonObject?>("--gate") { Description = "A limit of the gate, such as max_mean_kl=0.4; several times for several [default: those of docs/pruning.md]", AllowMultipleArgumentsPerToken = false, Arity = ArgumentArity.OneOrMore, CustomParser = Limits };
        var noPromote = new Option<bool>("--no-promote") { Description = "Make and prove the version, but leave the promotion to a hand." };
        var watch = new Option<bool>("--watch") { Description = "Stay and show progress; the exit code tells how it ended." };
        var command = new Command("start", "Orders a prune job.") { model, budget, search, grains, healing, limits, noPromote, watch };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var order = new JsonObject { ["budget"] = parsed.GetRequiredValue(budget).DeepClone(), ["promote"] = !parsed.GetValue(noPromote) };
            if (parsed.GetValue(search) is { } named) order["search"] = named;
            if (parsed.GetValue(grains) is { Length: > 0 } words) order["grains"] = new JsonArray([.. words.Select(word => JsonValue.Create(word))]);
            if (parsed.GetValue(healing) is { } healed) order["healing"] = healed;
            if (parsed.GetValue(limits) is { } gate) order["gate"] = gate.DeepClone();
            var job = await gateway.PostAsync($"models/{Uri.EscapeDataString(parsed.GetRequiredValue(model))}/prune", order, cancellationToken);
            if (parsed.GetValue(watch)) return await WatchAsync(parsed, gateway, job!["id"]!.ToString(), cancellationToken);
            if (!Listing.AsJson(parsed, job)) Console.WriteLine(job!["id"]);
            return ExitCode.Success;
        });
        return command;
    }

    private static JsonObject? Limits(System.CommandLine.Parsing.ArgumentResult result)
    {
        var gate = new JsonObject();
        foreach (var token in result.Tokens)
        {
            if (token.Value.Split('=') is [{ Length: > 0 } name, var text] && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) gate[name] = value;
            else result.AddError($"--gate {token.Value}: expected the name of a limit and a number, such as max_mean_kl=0.4.");
        }

        return gate;
    }

    private static Command Show()
    {
        var id = Id();
        var command = new Command("show", "Shows a job: its gate, what went, before and after.") { id };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var job = await gateway.GetAsync(Path(parsed.GetRequiredValue(id)), cancellationToken);
            if (!Listing.AsJson(parsed, job)) JobReport.Write(job!);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Watch()
    {
        var id = Id();
        var command = new Command("watch", "Shows a job's progress until it ends; the exit code tells how.") { id };
        RemoteGateway.Act(command, (parsed, gateway, cancellationToken) => WatchAsync(parsed, gateway, parsed.GetRequiredValue(id), cancellationToken));
        return command;
    }

    private static Command Cancel()
    {
        var id = Id();
        var command = new Command("cancel", "Cancels a job; nothing has changed then.") { id };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.SendAsync(HttpMethod.Delete, Path(parsed.GetRequiredValue(id)), null, cancellationToken);
            Listing.AsJson(parsed, answer);
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<int> WatchAsync(ParseResult parsed, RemoteGateway gateway, string id, CancellationToken cancellationToken)
    {
        using var response = await gateway.StreamAsync(Path(id) + "/events", cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        JsonNode? job = null;
        string? told = null;
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(cancellationToken))
        {
            job = JsonNode.Parse(item.Data);
            if (parsed.GetValue(RemoteGateway.Json))
            {
                Console.WriteLine(item.Data);
                continue;
            }

            if (job!["progress"] is not { } progress) continue;
            var (elapsed, left) = (progress["elapsed_seconds"]!.GetValue<double>(), progress["eta_seconds"]?.GetValue<double>());
            var line = string.Create(CultureInfo.InvariantCulture, $"{progress["phase"]} {progress["step"]}/{progress["steps"]}, {progress["evaluations"]} masks, {elapsed:F0} s, ")
                + (left is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"about {seconds:F0} s to go") : "end unknown");

            // On a terminal one line that moves; in a log a line for each tenth of a phase.
            var (done, all) = (progress["step"]!.GetValue<int>(), Math.Max(1, progress["steps"]!.GetValue<int>()));
            var step = $"{progress["phase"]} {10 * done / all}";
            if (!Console.IsErrorRedirected) await Console.Error.WriteAsync($"\r{ProgressBar.Of(ProgressBar.OfTime(elapsed, left))} {line,-58}");
            else if (step != told) await Console.Error.WriteLineAsync(line);
            told = step;
        }

        if (!Console.IsErrorRedirected && told is not null) await Console.Error.WriteLineAsync();
        if (job is null) throw new RemoteGatewayException("The gateway ended the stream: it is stopping. The job goes on when it is back.", ExitCode.Unreachable);
        if (!parsed.GetValue(RemoteGateway.Json)) JobReport.Write(job);
        return job["state"]!.GetValue<string>() switch
        {
            "passed" => ExitCode.Success,
            "refused" => ExitCode.Refused,
            "cancelled" => ExitCode.Interrupted,
            "queued" or "running" => ExitCode.Unreachable,
            _ => ExitCode.Failed,
        };
    }

    private static string Path(string id) => "jobs/" + Uri.EscapeDataString(id);

    private static Argument<string> Id() => new("JOB") { Description = "A job's id; jobs list shows it." };
}
