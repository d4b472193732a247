using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Workers;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.External;

/// <summary>All external destinations of this gateway. Thread-safe.</summary>
public sealed class Destinations(GatewayConfig config, RouteOwner routes, ILogger<Destinations> logger, TimeProvider time) : IDisposable
{
    private readonly ImmutableDictionary<(string Model, string Name), Destination> _all = config.Models
        .SelectMany(model => model.Destinations.Select(destination => (Model: model.Id, Config: destination)))
        .ToImmutableDictionary(pair => (pair.Model, pair.Config.Name), pair => new Destination(
            pair.Model, pair.Config, routes, new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(5) }), logger, time));

    private readonly CancellationTokenSource _stopping = new();
    private Task _watching = Task.CompletedTask;

    public IEnumerable<WorkerModel> All => _all.Values.Select(destination => destination.Model);

    public async Task StartAsync()
    {
        foreach (var model in _all.Keys.Select(key => key.Model).Distinct()) await routes.ShareAsync(model, new ModelShare(Destination.Version));
        _watching = Task.WhenAll(_all.Values.Select(destination => Task.Run(() => destination.WatchAsync(_stopping.Token))));
    }

    public void Saw(in ExchangeEnd end)
    {
        if (end.Upstream.Destination is { } name && _all.TryGetValue((end.Upstream.ModelId, name), out var destination)) destination.Saw(end);
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _watching.ContinueWith(_ => { }, TaskScheduler.Default);
    }

    public void Dispose()
    {
        _stopping.Dispose();
        foreach (var destination in _all.Values) destination.Dispose();
    }
}
