using System.CommandLine;
using System.Text.Json.Nodes;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary><c>keys list|create|show|disable|enable|delete</c> against a running gateway.</summary>
internal static class KeyCommands
{
    private static readonly (string Option, string Member, string Description)[] Limits =
    [
        ("--requests-per-minute", "requests_per_minute", "Requests a minute at most [default: no limit]"),
        ("--tokens-per-minute", "tokens_per_minute", "Tokens a minute at most, prompt and answer together [default: no limit]"),
        ("--tokens-per-day", "tokens_per_day", "Tokens a day at most, days by UTC [default: no limit]"),
        ("--concurrency", "concurrency", "Requests at the same time at most [default: no limit]"),
    ];

    public static Command Create() => RemoteGateway.Group("keys", "Client keys of a running gateway.", List(), Make(), Show(), Switch("disable", true), Switch("enable", false), Delete());

    private static Command List()
    {
        var command = new Command("list", "Lists the keys.");
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.GetAsync("keys", cancellationToken);
            if (Listing.AsJson(parsed, answer)) return ExitCode.Success;
            Listing.Table(["id", "name", "models", "scopes", "disabled", "expires"], answer!["keys"]!.AsArray().Select(key => new[]
            {
                Listing.Text(key!["id"]), key["name"]?.ToString(), Listing.Text(key["models"]), Listing.Text(key["scopes"]), Listing.Text(key["disabled"]), Listing.Time(key["expires_at"]),
            }));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Make()
    {
        var name = new Argument<string>("NAME") { Description = "By which people know the key." };
        var models = new Option<string[]>("--model") { Description = "A model, or a pattern with *, that it may use; several times for several [default: *]" };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When it ends, such as 2030-01-31 [default: never]" };
        var limits = Limits.Select(limit => new Option<long?>(limit.Option) { Description = limit.Description }).ToArray();
        var command = new Command("create", "Makes a key; it is printed this once.") { name, models, expires };
        foreach (var limit in limits) command.Add(limit);
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var body = new JsonObject { ["name"] = parsed.GetRequiredValue(name) };
            if (parsed.GetValue(models) is { Length: > 0 } named) body["models"] = new JsonArray([.. named.Select(model => JsonValue.Create(model))]);
            if (parsed.GetValue(expires) is { } end) body["expires_at"] = end;
            var set = new JsonObject();
            for (var i = 0; i < limits.Length; i++)
            {
                if (parsed.GetValue(limits[i]) is { } most) set[Limits[i].Member] = most;
            }

            if (set.Count > 0) body["limits"] = set;
            var answer = await gateway.PostAsync("keys", body, cancellationToken);
            if (!Listing.AsJson(parsed, answer)) Console.WriteLine(answer!["key"]);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Show()
    {
        var id = Id();
        var command = new Command("show", "Shows a key's scopes, limits and use.") { id };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.GetAsync("keys/" + Uri.EscapeDataString(parsed.GetRequiredValue(id)), cancellationToken);
            if (Listing.AsJson(parsed, answer)) return ExitCode.Success;
            Listing.Table(["what", "value"], answer!.AsObject().SelectMany(member => member.Value is JsonObject inner
                ? inner.Select(one => new[] { one.Key.Replace('_', ' '), Listing.Text(one.Value) })
                : [[member.Key.Replace('_', ' '), member.Value is JsonArray ? Listing.Text(member.Value) : member.Value?.ToString()]]));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Switch(string verb, bool disabled)
    {
        var id = Id();
        var command = new Command(verb, disabled ? "Refuses the key's requests from now on." : "Lets the key in again.") { id };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            var answer = await gateway.SendAsync(HttpMethod.Patch, "keys/" + Uri.EscapeDataString(parsed.GetRequiredValue(id)), new JsonObject { ["disabled"] = disabled }, cancellationToken);
            Listing.AsJson(parsed, answer);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command Delete()
    {
        var id = Id();
        var command = new Command("delete", "Deletes a key for good.") { id };
        RemoteGateway.Act(command, async (parsed, gateway, cancellationToken) =>
        {
            await gateway.SendAsync(HttpMethod.Delete, "keys/" + Uri.EscapeDataString(parsed.GetRequiredValue(id)), null, cancellationToken);
            Listing.AsJson(parsed, new JsonObject { ["id"] = parsed.GetRequiredValue(id), ["deleted"] = true });
            return ExitCode.Success;
        });
        return command;
    }

    private static Argument<string> Id() => new("ID") { Description = "The key's id; keys list shows it." };
}
