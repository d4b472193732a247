using System.Text.Json;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Metering;
using FinerCut.Gateway.Access.Queueing;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.External;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.OpenApi;
using FinerCut.Gateway.Pruning;
using FinerCut.Gateway.Recording;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Rollout.Trials;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Storage;
using FinerCut.Gateway.Telemetry;
using FinerCut.Gateway.Ui;
using FinerCut.Gateway.Workers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace FinerCut.Gateway;

/// <summary>Puts the rooms of the house together: the only place that knows them all.</summary>
public static class GatewayHost
{
    public static WebApplication Build(GatewayConfig config, SettingsOrigin origin, StateFolder state, AccessRuntime access, ICluster? cluster = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = config.ContentRoot });
        builder.Configuration.AddConfiguration(origin.First);
        builder.WebHost.UseKestrelCore().UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Body sizes are bounded by RequestBody and by the admin endpoints themselves, which answer in the envelope.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(config.Listen.Address, config.Listen.Port);
        });
        builder.Logging.AddConfiguration(origin.First.GetSection("Logging"));
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Yarp", LogLevel.Error).AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        if (origin.First["Logging:Console:FormatterName"] == ConsoleFormatterNames.Json) builder.Logging.AddJsonConsole(console => console.UseUtcTimestamp = true);
        else builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, "HH:mm:ss.fff ", true));
        // GatewayRuntime.DrainAsync says how long answers may take: .NET's own 30 seconds are shorter than a drain.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.Services.AddSingleton(origin).AddSingleton(new LiveConfig(config)).AddSingleton<ConfigReload>();
        AddServices(builder.Services, config, state, cluster);
        builder.Services.AddSingleton(config.Access).AddSingleton(access.Keys).AddSingleton(access.Ledger).AddSingleton<ModelQueues>().AddSingleton<AccessMetrics>();
        var app = builder.Build();
        access.Start(app.Services.GetRequiredService<ILogger<AccessRuntime>>());
        Map(app, config, cluster);
        return app;
    }

    private static void AddServices(IServiceCollection services, GatewayConfig config, StateFolder state, ICluster? cluster)
    {
        services.AddSingleton(config).AddSingleton(config.Worker).AddSingleton(config.Admin);
        services.AddSingleton(state).AddSingleton(TimeProvider.System).AddSingleton<GatewayMetrics>().AddSingleton<GenAiTelemetry>().AddSingleton(_ => new OtlpExport(config.Otlp, state)).AddSingleton<PrometheusText>();
        services.AddSingleton(provider => AdminKey.Load(config.Admin, state)).AddSingleton<AdminGate>();
        services.AddRouting();
        services.Configure<JsonOptions>(json => json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower);

        services.AddReverseProxy().AddTransforms(ForwardTransforms.Add);
        services.AddSingleton<YarpRoutes>();
        services.AddSingleton<IProxyConfigProvider>(provider => provider.GetRequiredService<YarpRoutes>());
        services.AddSingleton<IConfigChangeListener>(provider => provider.GetRequiredService<YarpRoutes>());
        services.AddSingleton<IForwarderHttpClientFactory, GuardedClients>();
        services.AddSingleton<RouteOwner>().AddSingleton<UpstreamChooser>();
        services.AddSingleton(provider => cluster?.Workers ?? provider.GetRequiredService<RouteOwner>());
        services.AddSingleton<WorkerProbe>().AddSingleton<Supervisor>().AddSingleton<Staging>().AddSingleton(config.Memory).AddSingleton(_ => new MemoryLedger(config.Memory)).AddSingleton<Residency>().AddSingleton<Destinations>().AddSingleton(provider => ActivatorUtilities.CreateInstance<GatewayRuntime>(provider, new ModelsRuntime(cluster, provider)));
        AddState(services, config, state, cluster);
    }

    private static void AddState(IServiceCollection services, GatewayConfig config, StateFolder state, ICluster? cluster)
    {
        var gateway = GatewayDatabase.Open(state);
        var recordings = RecordingStore.Open(state);
        services.AddSingleton<EventHub>();
        services.AddSingleton(_ => gateway).AddSingleton<RolloutStore>().AddSingleton<RolloutJournal>().AddSingleton<JobStore>();
        services.AddSingleton(provider => new RecordingStore(recordings, RecordingVault.Open(recordings, config.RecordingKeys), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<RecordingSwitches>().AddSingleton<TrafficRecorder>();
        services.AddSingleton<Trials>().AddSingleton<ShadowTraffic>().AddSingleton<IExchangeObserver, ExchangeWatch>();
        // In a cluster, the cluster owns the models' versions.
        services.AddSingleton(provider => Rollouts.Of(
            cluster is null ? config : config with { Models = [] },
            model => ActivatorUtilities.CreateInstance<RolloutOwner>(provider, model),
            provider.GetRequiredService<EventHub>(),
            provider.GetRequiredService<GatewayMetrics>(),
            provider.GetRequiredService<ILogger<Rollouts>>()));
        services.AddSingleton(provider => cluster?.Versions(provider.GetRequiredService<LiveConfig>()) ?? provider.GetRequiredService<Rollouts>());
        services.AddSingleton<TrafficExport>().AddSingleton<PruneProcess>().AddSingleton<JobRunner>().AddSingleton<JobQueue>().AddSingleton<LocalJobs>().AddSingleton<JobTools>();
        services.AddSingleton(provider => cluster?.Jobs(provider.GetRequiredService<JobTools>()) ?? provider.GetRequiredService<LocalJobs>());
    }

    private static void Map(WebApplication app, GatewayConfig config, ICluster? cluster)
    {
        var services = app.Services;
        var routes = services.GetRequiredService<RouteOwner>();
        var rollouts = services.GetRequiredService<Rollouts>();
        var hub = services.GetRequiredService<EventHub>();
        app.UseMiddleware<ErrorMiddleware>();
        app.UseMiddleware<AccessMiddleware>();
        app.UseRouting();
        app.MapModels(config, routes);
        var metrics = services.GetRequiredService<PrometheusText>();
        // Nobody asks for it: it listens from here on.
        _ = services.GetRequiredService<OtlpExport>();
        app.MapGet("/metrics", () => Results.Text(metrics.Write(), "text/plain; version=0.0.4"));
        app.MapUi(config.Admin);
        app.MapApiReference(config.Admin);
        app.MapReverseProxy(proxy => proxy.UseMiddleware<RequestMiddleware>().UseMiddleware<AdmissionMiddleware>().UseMiddleware<ForwardMiddleware>());
        var admin = app.MapGroup("/admin").AddEndpointFilter(services.GetRequiredService<AdminGate>());
        if (cluster is not null) admin.AddEndpointFilter(new OwnerGate(cluster));
        admin.MapGet("/metrics", () => Results.Text(metrics.Write(), "text/plain; version=0.0.4"));
        admin.MapKeyAdmin(services.GetRequiredService<KeyRing>(), services.GetRequiredService<IQuotaLedger>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<KeyRing>>());
        admin.MapWorkerAdmin(services.GetRequiredService<Supervisor>(), routes, hub);
        if (cluster is not null) cluster.MapAdmin(app, admin);
        else
        {
            admin.MapModelAdmin(rollouts, services.GetRequiredService<RolloutJournal>());
            admin.MapRolloutAdmin(rollouts, services.GetRequiredService<RolloutJournal>(), services.GetRequiredService<Trials>(), routes);
        }

        admin.MapMemoryAdmin(services.GetRequiredService<MemoryLedger>());
        admin.MapCompareAdmin(routes, config.Forwarding);
        admin.MapReportAdmin(services.GetRequiredService<IJobDirectory>());
        admin.MapJobAdmin(services.GetRequiredService<IJobDirectory>(), hub);
        admin.MapConfigAdmin(services.GetRequiredService<ConfigReload>());
        admin.MapRecordingAdmin(services.GetRequiredService<LiveConfig>(), services.GetRequiredService<RecordingStore>(), services.GetRequiredService<RecordingSwitches>(), services.GetRequiredService<TrafficRecorder>());
    }
}
