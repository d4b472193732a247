using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Access;

/// <summary>key create NAME: makes a client key while no gateway runs on the state folder, such as before the first public start.</summary>
public static class KeyVerb
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments is not ["create", var name, .. var rest] || name.StartsWith('-'))
        {
            await Console.Error.WriteLineAsync("expected: key create NAME [--Section:Key value …]. A running gateway makes keys at POST /admin/keys.");
            return ExitCode.BadInput;
        }

        try
        {
            var contentRoot = SettingsSources.ContentRoot(Directory.GetCurrentDirectory());
            var config = GatewayConfigReader.Read(SettingsSources.Load(contentRoot, rest), contentRoot);
            using var state = StateFolder.Open(config.StateFolder);
            await using var access = await AccessRuntime.OpenAsync(config, state, TimeProvider.System, CancellationToken.None);
            var created = await access.Keys.CreateAsync((id, hash, now) => KeyEndpoints.Blank(id, hash, now) with { Name = name }, CancellationToken.None);
            await Console.Error.WriteLineAsync($"The key {created.Key.Id} ({name}) opens all models for inference, without limits; PATCH /admin/keys/{created.Key.Id} narrows it. It is shown this once:");
            Console.WriteLine(created.Text);
            return ExitCode.Success;
        }
        catch (Exception exception) when (exception is ConfigException or StateFolderException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return ExitCode.BadInput;
        }
    }
}
