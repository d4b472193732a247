using System.Data.Common;
using System.Net;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Access.Storage;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Access;

/// <summary>The stores of access, open; read before the socket listens, renewed while it does.</summary>
public sealed class AccessRuntime : IAsyncDisposable
{
    private readonly IAccessDatabase _database;
    private readonly AccessConfig _config;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stopping = new();
    private Task _renewing = Task.CompletedTask;

    private readonly QuotaLedger? _own;

    private AccessRuntime(IAccessDatabase database, AccessConfig config, TimeProvider clock, string instance, IQuotaLedger? shared)
    {
        (_database, _config, _clock) = (database, config, clock);
        Keys = new KeyRing(new SqlKeyStore(database), clock);
        if (shared is null) _own = new QuotaLedger(new SqlQuotaStore(database), clock, new QuotaOwner(instance, Guid.NewGuid().ToString("N")));
        Ledger = shared ?? _own!;
    }

    public KeyRing Keys { get; }

    public IQuotaLedger Ledger { get; }

    /// <summary>Opens the stores, reads the keys and releases what a former process of this gateway left reserved.</summary>
    /// <exception cref="ConfigException">The database cannot be opened, or the gateway would listen publicly without a key.</exception>
    /// <param name="shared">Counts that a cluster keeps; null keeps them here.</param>
    public static async Task<AccessRuntime> OpenAsync(GatewayConfig config, StateFolder state, TimeProvider clock, CancellationToken cancellationToken, IQuotaLedger? shared = null)
    {
        var instance = $"{Environment.MachineName}:{state.FullPath}";
        var access = new AccessRuntime(await OpenDatabaseAsync(config.Access, state, cancellationToken), config.Access, clock, instance, shared);
        try
        {
            await access.Keys.RefreshAsync(cancellationToken);
            if (access._own is { } own) await own.RenewAsync(whole: true, cancellationToken);
            return access;
        }
        catch
        {
            await access.DisposeAsync();
            throw;
        }
    }

    /// <summary>Refuses to be reachable from other machines while nobody could have a key.</summary>
    /// <exception cref="ConfigException">There is no key.</exception>
    public void RequireKeyFor(ListenConfig listen)
    {
        if (IPAddress.IsLoopback(listen.Address) || _config.Key is not null || Keys.All.Any(key => key.IsLive(_clock.GetUtcNow()))) return;
        throw new ConfigException([new ConfigError("Listen:Address", listen.Address.ToString(),
            "other machines could reach this address and no client key exists: make one ('key create NAME', or POST /admin/keys while listening on 127.0.0.1), or set Access:Key")]);
    }

    public void Start(ILogger logger) => _renewing = Task.Run(() => RenewAsync(logger));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _renewing;
        if (_own is not null) await _own.DisposeAsync();
        Keys.Dispose();
        await _database.DisposeAsync();
        _stopping.Dispose();
    }

    private static async Task<IAccessDatabase> OpenDatabaseAsync(AccessConfig config, StateFolder state, CancellationToken cancellationToken)
    {
        if (config.Postgres is null) return await SqliteAccessDatabase.OpenAsync(state.Of("access.db"), cancellationToken);
        try
        {
            return await PostgresAccessDatabase.OpenAsync(config.Postgres, cancellationToken);
        }
        catch (Exception exception) when (exception is DbException or ArgumentException or InvalidDataException or TimeoutException)
        {
            // The value holds a password: it is not shown.
            throw new ConfigException([new ConfigError("Access:Postgres", null, $"expected the connection string of a PostgreSQL server that answers: {exception.Message}")]);
        }
    }

    /// <summary>Says that this process lives, and learns of other gateways' keys; both outlast a store that is away for a while.</summary>
    private async Task RenewAsync(ILogger logger)
    {
        using var timer = new PeriodicTimer(_config.Refresh < TimeSpan.FromMilliseconds(QuotaSweep.LeaseMs / 3) ? _config.Refresh : TimeSpan.FromMilliseconds(QuotaSweep.LeaseMs / 3), _clock);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                try
                {
                    var released = _own is null ? 0 : await _own.RenewAsync(whole: false, _stopping.Token);
                    if (released > 0) logger.LogInformation("{Count} reservations of dead gateways were released.", released);
                    await Keys.RefreshAsync(_stopping.Token);
                }
                catch (Exception exception) when (!_stopping.IsCancellationRequested)
                {
                    logger.LogWarning("The access database did not answer ({Kind}); what is known of keys holds.", exception.GetType().Name);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }
}
