using System.Text.Json;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.State;
using FinerCut.Gateway.Telemetry;
using FinerCut.Gateway.Workers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace FinerCut.Gateway;

/// <summary>Puts the rooms of the house together: the only place that knows them all.</summary>
public static class GatewayHost
{
    public static WebApplication Build(GatewayConfig config, IConfiguration settings, StateFolder state)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = config.ContentRoot });
        builder.Configuration.AddConfiguration(settings);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Body sizes are bounded by RequestBody and by the admin endpoints themselves, which answer in the envelope.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(config.Listen.Address, config.Listen.Port);
        });
        builder.Logging.AddConfiguration(settings.GetSection("Logging"));
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Yarp", LogLevel.Error).AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, "HH:mm:ss.fff ", true));
        AddServices(builder.Services, config, state);
        var app = builder.Build();
        Map(app, config);
        return app;
    }

    private static void AddServices(IServiceCollection services, GatewayConfig config, StateFolder state)
    {
        services.AddSingleton(config).AddSingleton(config.Forwarding).AddSingleton(config.Worker).AddSingleton(config.Admin).AddSingleton(config.Jobs);
        services.AddSingleton(state).AddSingleton(TimeProvider.System).AddSingleton<GatewayMetrics>();
        services.AddSingleton(provider => AdminKey.Load(config.Admin, state)).AddSingleton<AdminGate>();
        services.AddRouting();
        services.Configure<JsonOptions>(json => json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower);

        services.AddReverseProxy().AddTransforms(ForwardTransforms.Add);
        services.AddSingleton<YarpRoutes>();
        services.AddSingleton<IProxyConfigProvider>(provider => provider.GetRequiredService<YarpRoutes>());
        services.AddSingleton<IConfigChangeListener>(provider => provider.GetRequiredService<YarpRoutes>());
        services.AddSingleton<IForwarderHttpClientFactory, GuardedClients>();
        services.AddSingleton<RouteOwner>().AddSingleton<UpstreamChooser>();
        services.AddSingleton<IWorkerObserver>(provider => provider.GetRequiredService<RouteOwner>());
        services.AddSingleton<WorkerProbe>().AddSingleton<Supervisor>().AddSingleton<GatewayRuntime>();
        services.AddSingleton<IAnswerTaps, NoTaps>();
    }

    private static void Map(WebApplication app, GatewayConfig config)
    {
        app.UseMiddleware<ErrorMiddleware>();
        app.UseRouting();
        app.MapModels(config, app.Services.GetRequiredService<RouteOwner>());
        app.MapReverseProxy(proxy => proxy.UseMiddleware<ForwardMiddleware>());
    }

    private sealed class NoTaps : IAnswerTaps
    {
        public IAnswerTap? For(string modelId, string path, RequestBody request) => null;
    }
}
