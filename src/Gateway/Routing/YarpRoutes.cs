using System.Net;
using Microsoft.Extensions.Primitives;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// Feeds YARP: one route for /v1/*, one cluster a model, one destination an upstream. <see cref="PublishAsync"/> completes when YARP has applied
/// the snapshot (it applies them on its own, at some later moment). One caller at a time.
/// </summary>
public sealed class YarpRoutes : IProxyConfigProvider, IConfigChangeListener
{
    /// <summary>YARP wants a cluster for every route; requests are reassigned from this empty one to their model's.</summary>
    private const string Unrouted = "unrouted";

    private readonly ForwarderRequestConfig _request;
    private readonly HttpClientConfig _client;
    private volatile Snapshot _snapshot;

    public YarpRoutes()
    {
        // Time-outs are AnswerGuard's: it knows first byte from idle and ends streams cleanly. YARP's own would abort the connection.
        _request = new ForwarderRequestConfig
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            ActivityTimeout = TimeSpan.FromDays(7),
        };
        _client = new HttpClientConfig();
        _snapshot = new Snapshot([Route], [Cluster(Unrouted, [])]);
    }

    private static RouteConfig Route { get; } = new()
    {
        RouteId = "v1",
        ClusterId = Unrouted,
        Match = new RouteMatch { Path = "/v1/{**rest}", Methods = ["POST"] },
    };

    public static string ClusterOf(string modelId) => "model:" + modelId;

    public IProxyConfig GetConfig() => _snapshot;

    public async Task PublishAsync(IEnumerable<string> modelIds, IReadOnlyCollection<Upstream> upstreams)
    {
        var clusters = modelIds.Select(model => Cluster(ClusterOf(model), upstreams.Where(upstream => upstream.ModelId == model)))
            .Prepend(Cluster(Unrouted, []));
        var next = new Snapshot([Route], [.. clusters]);
        var previous = _snapshot;
        _snapshot = next;
        previous.Replace();
        await next.Applied;
    }

    public void ConfigurationApplied(IReadOnlyList<IProxyConfig> proxyConfigs)
    {
        foreach (var snapshot in proxyConfigs.OfType<Snapshot>()) snapshot.Done(null);
    }

    public void ConfigurationApplyingFailed(IReadOnlyList<IProxyConfig> proxyConfigs, Exception exception)
    {
        foreach (var snapshot in proxyConfigs.OfType<Snapshot>()) snapshot.Done(exception);
    }

    public void ConfigurationLoaded(IReadOnlyList<IProxyConfig> proxyConfigs)
    {
    }

    public void ConfigurationLoadingFailed(IProxyConfigProvider configProvider, Exception exception) => _snapshot.Done(exception);

    private ClusterConfig Cluster(string id, IEnumerable<Upstream> upstreams) => new()
    {
        ClusterId = id,
        HttpClient = _client,
        HttpRequest = _request,
        Destinations = upstreams.ToDictionary(upstream => upstream.Id, upstream => new DestinationConfig { Address = upstream.Url }, StringComparer.Ordinal),
    };

#pragma warning disable CA1001 // A source without timer or handle has nothing to release, and YARP may still look at its token.
    private sealed class Snapshot(IReadOnlyList<RouteConfig> routes, IReadOnlyList<ClusterConfig> clusters) : IProxyConfig
#pragma warning restore CA1001
    {
        private readonly CancellationTokenSource _replaced = new();
        private readonly TaskCompletionSource _applied = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<RouteConfig> Routes { get; } = routes;

        public IReadOnlyList<ClusterConfig> Clusters { get; } = clusters;

        public IChangeToken ChangeToken => new CancellationChangeToken(_replaced.Token);

        public Task Applied => _applied.Task;

        public void Replace() => _replaced.Cancel();

        public void Done(Exception? fault)
        {
            if (fault is null) _applied.TrySetResult();
            else _applied.TrySetException(fault);
        }
    }
}
