using FinerCut.Gateway.Access;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Storage;
using FinerCut.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace FinerCut.Gateway;

/// <summary>A gateway that listens, in this process: what every verb that serves runs on.</summary>
public sealed class RunningGateway
{
    private readonly WebApplication _app;

    private RunningGateway(WebApplication app, GatewayConfig config, StateFolder state) => (_app, Config, State) = (app, config, state);

    public GatewayConfig Config { get; }

    public StateFolder State { get; }

    public AdminKey AdminKey => _app.Services.GetRequiredService<AdminKey>();

    /// <summary>Such as http://127.0.0.1:8080.</summary>
    public string Address => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>Told when a signal asks the program to end.</summary>
    public CancellationToken Stopping => _app.Lifetime.ApplicationStopping;

    /// <summary>
    /// Starts a gateway from the settings, runs <paramref name="body"/>, stops everything. What is wrong with the settings, the state folder or
    /// the address is printed to standard error and becomes the exit code.
    /// </summary>
    public static async Task<int> RunAsync(string[] arguments, Func<RunningGateway, Task<int>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        try
        {
            var contentRoot = Directory.GetCurrentDirectory();
            var settings = SettingsSources.Load(contentRoot, arguments);
            var config = GatewayConfigReader.Read(settings, contentRoot);
            // Orleans' own sockets wait for each other: not with them.
            if (!config.Cluster.IsOn) SocketLoop.GoOnInline();
            using var state = StateFolder.Open(config.StateFolder);
            if (config.Cluster.IsHost) await VetModelsAsync(config, state);
            // Joined first and left last: counts of keys may be the cluster's.
            await using var cluster = config.Cluster.IsOn ? await ClusterLoading.Load().JoinAsync(config.Cluster, CancellationToken.None) : null;
            await using var access = await AccessRuntime.OpenAsync(config, state, TimeProvider.System, CancellationToken.None, cluster?.Quotas);
            access.RequireKeyFor(config.Listen);
            await using var app = GatewayHost.Build(config, new SettingsOrigin(contentRoot, [.. arguments], settings), state, access, cluster);
            await app.StartAsync();
            var runtime = app.Services.GetRequiredService<GatewayRuntime>();
            try
            {
                await runtime.StartAsync();
                return await body(new RunningGateway(app, config, state));
            }
            finally
            {
                await runtime.StopAsync();
            }
        }
        catch (Exception exception) when (exception is ConfigException or StateFolderException or Recording.RecordingKeyException or ClusterException)
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

    /// <summary>Completes when a signal has asked the program to end and answers under way have finished or were ended.</summary>
    public async Task WaitForShutdownAsync()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (Stopping.Register(asked.SetResult)) await asked.Task;
        var services = _app.Services;
        await services.GetRequiredService<GatewayRuntime>().DrainAsync(services.GetRequiredService<LiveConfig>().Current.Models, _app.StopAsync, services.GetRequiredService<TimeProvider>());
    }

    private static async Task VetModelsAsync(GatewayConfig config, StateFolder state)
    {
        var hashes = new FileHashes(state);
        var errors = new List<ConfigError>();
        // A host of a cluster fetches what it lacks.
        foreach (var model in config.Models.Where(model => !model.IsExternal && (!config.Cluster.IsOn || File.Exists(model.Path))))
        {
            if (await ModelFiles.VetAsync(model, hashes, CancellationToken.None) is { } error) errors.Add(error);
        }

        if (errors.Count > 0) throw new ConfigException(errors);
    }
}
