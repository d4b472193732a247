using System.CommandLine;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Access;

/// <summary>key create NAME: makes a client key while no gateway runs on the state folder, such as before the first public start.</summary>
public static class KeyVerb
{
    /// <param name="settings">--Section:Key value, for the state folder and the store of keys.</param>
    public static Command Create(string[] settings)
    {
        var name = new Argument<string>("NAME") { Description = "By which people know the key." };
        var json = new Option<bool>("--json") { Description = "JSON instead of the bare key." };
        var create = new Command("create", "Makes a client key; it is printed this once. Takes --Section:Key value as serve does.") { name, json };
        create.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetRequiredValue(name), parsed.GetValue(json), settings, cancellationToken));
        return new Command("key", "Client keys while no gateway runs on the state folder, such as before the first public start.") { create };
    }

    private static async Task<int> RunAsync(string name, bool json, string[] settings, CancellationToken cancellationToken)
    {
        try
        {
            var contentRoot = Directory.GetCurrentDirectory();
            var config = GatewayConfigReader.Read(SettingsSources.Load(contentRoot, settings), contentRoot);
            using var state = StateFolder.Open(config.StateFolder);
            await using var access = await AccessRuntime.OpenAsync(config, state, TimeProvider.System, cancellationToken);
            var created = await access.Keys.CreateAsync((id, hash, now) => KeyEndpoints.Blank(id, hash, now) with { Name = name }, cancellationToken);
            await Console.Error.WriteLineAsync($"The key {created.Key.Id} ({name}) opens all models for inference, without limits; PATCH /admin/keys/{created.Key.Id} narrows it. It is shown this once:");
            Console.WriteLine(json ? new JsonObject { ["id"] = created.Key.Id, ["name"] = name, ["key"] = created.Text }.ToJsonString() : created.Text);
            return ExitCode.Success;
        }
        catch (Exception exception) when (exception is ConfigException or StateFolderException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return ExitCode.BadInput;
        }
    }
}
