using System.Net;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;
using FinerCut.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FinerCut.Gateway;

/// <summary>The default verb: serves until told to stop.</summary>
public static class ServeVerb
{
    public static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            var contentRoot = SettingsSources.ContentRoot(Directory.GetCurrentDirectory());
            var settings = SettingsSources.Load(contentRoot, arguments);
            var config = GatewayConfigReader.Read(settings, contentRoot);
            using var state = StateFolder.Open(config.StateFolder);
            await VetModelsAsync(config, state);
            await using var app = GatewayHost.Build(config, settings, state);
            await app.StartAsync();
            await using var runtime = app.Services.GetRequiredService<GatewayRuntime>();
            await runtime.StartAsync();
            Announce(app, config, state);
            await app.WaitForShutdownAsync();
            return ExitCode.Success;
        }
        catch (Exception exception) when (exception is ConfigException or StateFolderException)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return ExitCode.BadInput;
        }
        catch (IOException exception) when (exception.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync($"{exception.Message} Another program listens there: stop it, or choose another port with --Listen:Port (0 takes a free one).");
            return ExitCode.AddressInUse;
        }
    }

    private static async Task VetModelsAsync(GatewayConfig config, StateFolder state)
    {
        var hashes = new FileHashes(state);
        var errors = new List<ConfigError>();
        foreach (var model in config.Models)
        {
            if (await ModelFiles.VetAsync(model, hashes, CancellationToken.None) is { } error) errors.Add(error);
        }

        if (errors.Count > 0) throw new ConfigException(errors);
    }

    private static void Announce(WebApplication app, GatewayConfig config, StateFolder state)
    {
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var model = config.Models[0].Id;
        var key = app.Services.GetRequiredService<AdminKey>();
        Console.WriteLine($"""
            FinerCut.Gateway listens on {address}
              models     {string.Join(", ", config.Models.Select(model => model.Id))}
              try        curl {address}/v1/chat/completions -H 'Content-Type: application/json' -d '{"{"}"model":"{model}","messages":[{"{"}"role":"user","content":"Say hello."{"}"}]{"}"}'
              admin      {address}/admin/models (also /admin/jobs, /admin/workers, /admin/events{(config.Admin.LoopbackOnly ? "; from this machine only" : "")})
              admin key  {(key.File is null ? "Admin:Key of the settings" : key.File)}{(key.New is null ? "" : $"  {key.New} (shown this once)")}
              state      {state.FullPath}
            """);
        if (!IPAddress.IsLoopback(config.Listen.Address)) Console.WriteLine("  note       other machines can reach /v1: there are no client keys yet, so keep a firewall in front");
    }
}
