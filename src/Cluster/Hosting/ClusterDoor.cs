using System.Security.Cryptography.X509Certificates;
using FinerCut.Cluster.Jobs;
using FinerCut.Cluster.Quotas;
using FinerCut.Gateway.Clusters;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Dashboard;
using Orleans.Serialization;
using StackExchange.Redis;

namespace FinerCut.Cluster.Hosting;

/// <summary>Starts this machine's silo. Found by its name (<see cref="ClusterLoading"/>).</summary>
public sealed class ClusterDoor : IClusterDoor
{
    public async Task<ICluster> JoinAsync(ClusterConfig config, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(config);
        if (config.Redis is null) await ClusterDatabase.EnsureSchemaAsync(config.Postgres, cancellationToken).ConfigureAwait(false);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ApplicationName = "FinerCut.Cluster" });
        builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, "HH:mm:ss.fff ", true))
            .AddFilter("Orleans", LogLevel.Error).AddFilter("Microsoft", LogLevel.Error).AddFilter("Polly", LogLevel.Error);
        builder.Services.AddSingleton(TimeProvider.System);
        // Signals are the gateway's: it lays its roles down before the silo goes.
        builder.Services.AddSingleton<IHostLifetime, GatewayLifetime>();
        builder.UseOrleans(silo => Configure(silo, config));
        var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken).ConfigureAwait(false);
            return new JoinedCluster(host, config);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            host.Dispose();
            throw new ClusterException($"This machine cannot join the cluster '{config.Id}' at {config.Address}:{config.Port}: {exception.GetBaseException().Message}", exception);
        }
    }

    private static void Configure(ISiloBuilder silo, ClusterConfig config)
    {
        silo.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (config.Id, config.Id));
        silo.Configure<SiloOptions>(options => options.SiloName = config.Name);
        // No port for clients of Orleans: there are none but the silos themselves.
        silo.ConfigureEndpoints(config.Address, config.Port, gatewayPort: 0);
        if (config.Redis is { } redis) KeepInRedis(silo, redis);
        else KeepInPostgres(silo, config.Postgres);
        if (config.Dashboard) silo.AddDashboard();
        silo.Configure<ClusterMembershipOptions>(Detection);
        Secure(silo, config);
        AddParts(silo);
    }

    private static void KeepInPostgres(ISiloBuilder silo, string postgres)
    {
        silo.UseAdoNetClustering(options => (options.Invariant, options.ConnectionString) = (ClusterDatabase.Invariant, postgres));
        silo.AddAdoNetGrainStorage(QuotaGrain.Storage, options => (options.Invariant, options.ConnectionString) = (ClusterDatabase.Invariant, postgres));
        silo.UseAdoNetReminderService(options => (options.Invariant, options.ConnectionString) = (ClusterDatabase.Invariant, postgres));
    }

    private static void KeepInRedis(ISiloBuilder silo, string redis)
    {
        silo.UseRedisClustering(options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
        silo.AddRedisGrainStorage(QuotaGrain.Storage, options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
        silo.UseRedisReminderService(options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
    }

    /// <summary>What a silo of this program has, whatever keeps its members and states.</summary>
    internal static void AddParts(ISiloBuilder silo)
    {
        silo.Services.AddSerializer(serializer => serializer.AddAssembly(typeof(ClusterDoor).Assembly));
        silo.Services.AddSingleton<Members>();
        silo.Services.TryAddSingleton(JobTimes.Usual);
    }

    /// <summary>A machine that died is given up after three unanswered probes, one a second, by two others where there are two.</summary>
    internal static void Detection(ClusterMembershipOptions options)
    {
        options.ProbeTimeout = TimeSpan.FromSeconds(1);
        options.NumMissedProbesLimit = 3;
        options.TableRefreshTimeout = TimeSpan.FromSeconds(10);
        options.DefunctSiloExpiration = TimeSpan.FromDays(1);
        options.DefunctSiloCleanupPeriod = TimeSpan.FromHours(1);
    }

    private static void Secure(ISiloBuilder silo, ClusterConfig config)
    {
        if (config.Tls is { } files)
        {
            var certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
            var trust = new AuthorityTrust(files.Authority);
            silo.UseTls(certificate, tls =>
            {
                tls.RemoteCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.ClientCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.RemoteCertificateValidation = (remote, _, _) => trust.Holds(remote);
                tls.OnAuthenticateAsClient = (_, options) => options.TargetHost = config.Id;
            });
        }

        if (config.Secret is not { } secret) return;
        var handshake = new SecretHandshake(secret, TimeProvider.System);
        silo.Configure<SiloConnectionOptions>(options =>
        {
            options.ConfigureSiloInboundConnection(connection => connection.Use(handshake.Middleware(isCaller: false)));
            options.ConfigureSiloOutboundConnection(connection => connection.Use(handshake.Middleware(isCaller: true)));
        });
    }

    private sealed class GatewayLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
