using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.External;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;

namespace FinerCut.Gateway;

/// <summary>What begins once the socket listens, and ends in the opposite order. The one that begins and ends them: the container only releases what they hold.</summary>
public sealed class GatewayRuntime(RouteOwner routes, Supervisor supervisor, JobQueue jobs, ModelsRuntime models, ConfigReload reload, Destinations destinations)
{
    /// <summary>From the end of the last model's answers to that of their connections.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(10);

    public async Task StartAsync()
    {
        routes.Start();
        await destinations.StartAsync();
        await models.StartAsync();
        jobs.Start();
        reload.Start();
    }

    /// <summary>
    /// Takes no new connections and lets answers under way finish, each model's for as long as its DrainTimeout; then they are ended with a typed error.
    /// The job's checkpoint is written meanwhile.
    /// </summary>
    /// <param name="models">As the settings have them now.</param>
    /// <param name="stopListening">Completes when all connections are done; cancelled, it breaks those that are left.</param>
    public async Task DrainAsync(IReadOnlyCollection<ModelConfig> models, Func<CancellationToken, Task> stopListening, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(stopListening);
        using var late = new CancellationTokenSource(models.Select(model => model.DrainTimeout).DefaultIfEmpty().Max() + LastWords, time);
        using var done = new CancellationTokenSource();
        var jobsStopping = jobs.StopAsync();
        var ending = Task.WhenAll(models.Select(async model =>
        {
            await Task.Delay(model.DrainTimeout, time, done.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!done.IsCancellationRequested) await routes.EndAsync(model.Id);
        }));
        await stopListening(late.Token);
        await done.CancelAsync();
        await Task.WhenAll(ending, jobsStopping);
    }

    public async Task StopAsync()
    {
        await reload.StopAsync();
        await jobs.StopAsync();
        await models.StopAsync();
        await destinations.StopAsync();
        await supervisor.StopAsync();
        await routes.StopAsync();
    }
}
