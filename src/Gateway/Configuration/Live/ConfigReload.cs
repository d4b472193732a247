using System.Collections.Immutable;
using FinerCut.Gateway.Access.Queueing;
using FinerCut.Gateway.Admin;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Configuration.Live;

/// <summary>Where the settings of this run come from, so that they can be read again.</summary>
public sealed record SettingsOrigin(string ContentRoot, ImmutableArray<string> Arguments, IConfiguration First)
{
    public string File => SettingsSources.FileOf(ContentRoot);

    /// <exception cref="ConfigException">They are no settings.</exception>
    public IConfigurationRoot Load() => SettingsSources.Load(ContentRoot, [.. Arguments]);
}

/// <param name="Number">Grows with every reading that took effect; 1 is the start's.</param>
/// <param name="At">When the settings were read last.</param>
/// <param name="Errors">Of the last reading; where there are any, the settings before it hold.</param>
/// <param name="Changes">Of the last reading that took effect, against the one before.</param>
/// <param name="Pending">Changes since the start that wait for a restart.</param>
public sealed record ConfigStatus(int Number, DateTimeOffset At, ImmutableArray<string> Errors, ImmutableArray<ConfigChange> Changes, ImmutableArray<string> Pending);

/// <summary>
/// Reads the settings again when their file changes or an admin asks. What is wrong keeps the last good settings whole, and is told; what is right is
/// compared with them and takes effect as far as it can. One writer of <see cref="LiveConfig"/>.
/// </summary>
public sealed class ConfigReload(LiveConfig live, SettingsOrigin origin, ModelQueues queues, EventHub hub, ILogger<ConfigReload> logger, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private IConfiguration _settings = origin.First;
    private volatile ConfigStatus _status = new(1, time.GetUtcNow(), [], [], []);
    private Task _watching = Task.CompletedTask;

    public ConfigStatus Status => _status;

    public void Start() => _watching = Task.Run(WatchAsync);

    public ConfigStatus Reload()
    {
        lock (_gate)
        {
            try
            {
                var settings = origin.Load();
                var next = GatewayConfigReader.Read(settings, origin.ContentRoot);
                var changes = ConfigDiff.Of(_settings, settings);
                if (changes.IsEmpty)
                {
                    _status = _status with { At = time.GetUtcNow(), Errors = [] };
                    return _status;
                }

                live.Replace(ConfigDiff.Merge(live.Current, next));
                queues.Reconfigure();
                _settings = settings;
                ImmutableArray<string> pending = [.. ConfigDiff.Of(origin.First, settings).Where(change => change.NeedsRestart).Select(change => change.Path)];
                _status = new ConfigStatus(_status.Number + 1, time.GetUtcNow(), [], changes, pending);
                foreach (var change in changes) logger.LogInformation("{Path}: {Was} is now {Is}.{Restart}", change.Path, change.Was, change.Is, change.NeedsRestart ? " It takes effect at the next start." : "");
            }
            catch (ConfigException exception)
            {
                _status = _status with { At = time.GetUtcNow(), Errors = [.. exception.Errors.Select(error => error.ToString())] };
                logger.LogError("The settings were changed and are not usable; those before hold on. {Errors}", exception.Message);
            }

            hub.Publish(new AdminEvent("config", "settings", _status));
            return _status;
        }
    }

    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
    }

    public void Dispose() => _stopping.Dispose();

    /// <summary>Looks at the file's time and size: that works on every file system, unlike being told.</summary>
    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(Interval, time);
        var seen = Stamp();
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                if (Stamp() is var now && now == seen) continue;
                seen = now;
                Reload();
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }

    private (DateTime, long) Stamp()
    {
        var file = new FileInfo(origin.File);
        return file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
    }
}
