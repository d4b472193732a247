using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Rollout;

/// <summary>Versions and their history in gateway.db. Each change is one transaction.</summary>
public sealed class RolloutStore(SqliteFile database)
{
    public ModelRollout Load(string modelId)
    {
        var versions = database.Query(
            "SELECT version, state, path, bytes, job, replaced, since FROM versions WHERE model = $model",
            row => new VersionModel(row.GetString(0), Enum.Parse<VersionState>(row.GetString(1)), row.GetString(2), row.GetInt64(3),
                row.IsDBNull(4) ? null : row.GetString(4), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(6)))
            {
                Replaced = row.IsDBNull(5) ? null : row.GetString(5),
            },
            ("$model", modelId));
        var empty = ModelRollout.Empty(modelId);
        return empty with { Versions = empty.Versions.AddRange(versions.Select(version => KeyValuePair.Create(version.Id, version))) };
    }

    public void Save(RolloutChange change) => database.Transact(() =>
    {
        foreach (var id in change.Transitions.Select(transition => transition.VersionId).Distinct())
        {
            var version = change.Next.Versions[id];
            database.Execute(
                """
                INSERT INTO versions (model, version, state, path, bytes, job, replaced, since)
                VALUES ($model, $version, $state, $path, $bytes, $job, $replaced, $since)
                ON CONFLICT (model, version) DO UPDATE SET
                  state = excluded.state, path = excluded.path, bytes = excluded.bytes, job = excluded.job, replaced = excluded.replaced, since = excluded.since
                """,
                ("$model", change.Next.ModelId), ("$version", id), ("$state", version.State.ToString()), ("$path", version.Path), ("$bytes", version.Bytes),
                ("$job", version.JobId), ("$replaced", version.Replaced), ("$since", version.Since.ToUnixTimeMilliseconds()));
        }

        foreach (var transition in change.Transitions)
        {
            database.Execute(
                "INSERT INTO history (at, model, version, was, state, event, reason) VALUES ($at, $model, $version, $was, $state, $event, $reason)",
                ("$at", transition.At.ToUnixTimeMilliseconds()), ("$model", change.Next.ModelId), ("$version", transition.VersionId),
                ("$was", transition.Was?.ToString()), ("$state", transition.State.ToString()), ("$event", transition.Event), ("$reason", transition.Reason));
        }
    });

    /// <summary>Newest last.</summary>
    /// <param name="modelId">Whose.</param>
    /// <param name="versionId">Of this version only, and all of it; null for the last of all versions.</param>
    public IReadOnlyList<VersionTransition> History(string modelId, string? versionId = null)
    {
        var rows = database.Query(
            "SELECT at, version, was, state, event, reason FROM history WHERE model = $model AND ($version IS NULL OR version = $version) ORDER BY number DESC LIMIT $limit",
            row => new VersionTransition(row.GetString(1), row.IsDBNull(2) ? null : Enum.Parse<VersionState>(row.GetString(2)),
                Enum.Parse<VersionState>(row.GetString(3)), row.GetString(4), row.IsDBNull(5) ? null : row.GetString(5),
                DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(0))),
            ("$model", modelId), ("$version", versionId), ("$limit", versionId is null ? 1000 : -1));
        rows.Reverse();
        return rows;
    }

    /// <summary>The weight that a trial's version has; null where none was ever set.</summary>
    public double? Weight(string modelId, string versionId) => database.Query(
        "SELECT weight FROM canary_weights WHERE model = $model AND version = $version", row => row.GetDouble(0), ("$model", modelId), ("$version", versionId))
        is [var weight, ..] ? weight : null;

    public void SetWeight(string modelId, string versionId, double weight) => database.Execute(
        "INSERT INTO canary_weights (model, version, weight) VALUES ($model, $version, $weight) ON CONFLICT (model, version) DO UPDATE SET weight = excluded.weight",
        ("$model", modelId), ("$version", versionId), ("$weight", weight));
}
