using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway;

/// <summary>What begins once the socket listens, and ends in the opposite order.</summary>
public sealed class GatewayRuntime(GatewayConfig config, RouteOwner routes, Supervisor supervisor) : IAsyncDisposable
{
    public const string FullVersion = "full";

    public async Task StartAsync()
    {
        routes.Start();
        foreach (var model in config.Models)
        {
            await routes.ActivateAsync(model.Id, FullVersion);
            supervisor.Start(new WorkerSpec(model.Id, FullVersion, model.Path, model.ContextSize, model.Parallel, model.Threads));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await supervisor.DisposeAsync();
        await routes.DisposeAsync();
    }
}
