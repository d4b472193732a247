using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Recording;

/// <summary>For which models recording is on: as the settings say, unless an admin switched it (that is kept). Reads are free of locks.</summary>
public sealed class RecordingSwitches
{
    private readonly SqliteFile _database;
    private readonly Lock _gate = new();
    private volatile ImmutableDictionary<string, bool> _enabled;

    public RecordingSwitches(GatewayConfig config, SqliteFile database)
    {
        ArgumentNullException.ThrowIfNull(config);
        _database = database;
        var switched = database.Query("SELECT model, enabled FROM recording_switches", row => KeyValuePair.Create(row.GetString(0), row.GetInt64(1) != 0));
        _enabled = config.Models.ToImmutableDictionary(model => model.Id, model => model.Recording.Enabled, StringComparer.Ordinal).SetItems(switched);
    }

    public bool IsOn(string modelId) => _enabled.GetValueOrDefault(modelId);

    public void Set(string modelId, bool enabled)
    {
        lock (_gate)
        {
            _database.Execute(
                "INSERT INTO recording_switches (model, enabled) VALUES ($model, $enabled) ON CONFLICT (model) DO UPDATE SET enabled = excluded.enabled",
                ("$model", modelId), ("$enabled", enabled ? 1 : 0));
            _enabled = _enabled.SetItem(modelId, enabled);
        }
    }
}
