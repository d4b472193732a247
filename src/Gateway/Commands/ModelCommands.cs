using System.CommandLine;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Commands.Downloads;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary><c>models list|show|promote|try|hold|resume|rollback</c> against a running gateway, and <c>models pull|import</c>.</summary>
internal static class ModelCommands
{
    public static Command Create() => RemoteGateway.Group(
        "models", "Models and versions of a running gateway; fetching model files.", List(), Show(), Promote(), Try(),
        Act("hold", "Stops a trial's promotion, not its rollback."), Act("resume", "Lets a held trial go on."), Act("rollback", "Ends the trial, or goes back to the version that the active one replaced."), PullCommand.Create(), PullCommand.Import());

    private static Command List()
    {
        var command = new Command("list", "Lists models with their versions.");
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.GetAsync("models", cancellationToken);
            if (Listing.AsJson(parsed, answer)) return ExitCode.Success;
            Listing.Table(["model", "version", "state", "file", "made by", "since"], answer!["models"]!.AsArray().SelectMany(model => model!["versions"]!.AsArray().Select(version => new[]
            {
                model["model"]!.ToString(), version!["version"]!.ToString(), Listing.Text(version["state"]), Listing.Bytes(version["bytes"]), version["job"]?.ToString() ?? "settings", Listing.Time(version["since"]),
            })));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Show()
    {
        var model = Model();
        var command = new Command("show", "Shows a model's whole history.") { model };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.GetAsync(Path(parsed.GetRequiredValue(model)), cancellationToken);
            if (Listing.AsJson(parsed, answer)) return ExitCode.Success;
            Listing.Table(["time", "version", "from", "to", "why"], answer!["history"]!.AsArray().Select(row => new[]
            {
                Listing.Time(row!["at"]), row["version"]!.ToString(), Listing.Text(row["was"]), Listing.Text(row["state"]), row["reason"]?.ToString(),
            }));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Promote()
    {
        var (model, version) = (Model(), Version());
        var command = new Command("promote", "Serves all of a model from a version; nothing is lost on the way.") { model, version };
        RemoteGateway.Act(command, (parsed, gateway, cancellationToken) => OrderAsync(parsed, gateway, parsed.GetRequiredValue(model), "promote", new JsonObject { ["version"] = parsed.GetRequiredValue(version) }, cancellationToken));
        return command;
    }

    private static Command Try()
    {
        var (model, version) = (Model(), Version());
        var weight = new Option<double?>("--weight") { Description = "Share of the conversations, 0 to 1 [default: the model's Rollout:CanaryWeight]" };
        var command = new Command("try", "Puts a version on trial; it is promoted or rolled back by what it does.") { model, version, weight };
        RemoteGateway.Act(command, (parsed, gateway, cancellationToken) =>
        {
            var body = new JsonObject { ["version"] = parsed.GetRequiredValue(version) };
            if (parsed.GetValue(weight) is { } share) body["weight"] = share;
            return OrderAsync(parsed, gateway, parsed.GetRequiredValue(model), "canary", body, cancellationToken);
        });
        return command;
    }

    private static Command Act(string verb, string description)
    {
        var model = Model();
        var command = new Command(verb, description) { model };
        RemoteGateway.Act(command, (parsed, gateway, cancellationToken) => OrderAsync(parsed, gateway, parsed.GetRequiredValue(model), verb, [], cancellationToken));
        return command;
    }

    private static async Task<int> OrderAsync(ParseResult parsed, RemoteGateway gateway, string model, string verb, JsonObject body, CancellationToken cancellationToken)
    {
        var answer = await gateway.PostAsync($"{Path(model)}/{verb}", body, cancellationToken);
        if (!Listing.AsJson(parsed, answer)) Console.WriteLine(verb == "canary" ? $"{body["version"]} of {model} is on trial; {answer!["active"]} serves the rest." : $"{model} is served from {answer!["active"]}.");
        return ExitCode.Success;
    }

    private static string Path(string model) => "models/" + Uri.EscapeDataString(model);

    private static Argument<string> Model() => new("MODEL") { Description = "A model's id; models list shows it." };

    private static Argument<string> Version() => new("VERSION") { Description = "A version's id; models list shows it." };
}
