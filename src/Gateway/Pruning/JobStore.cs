using System.Text.Json;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Pruning;

/// <summary>Jobs in gateway.db.</summary>
public sealed class JobStore(SqliteFile database)
{
    public IReadOnlyList<JobModel> Load() => database.Query(
        "SELECT record FROM jobs ORDER BY number", row => JsonSerializer.Deserialize<JobModel>(row.GetString(0), AdminJson.Options)!);

    /// <summary>Progress is left out: it changes often and is of no use after a restart.</summary>
    public void Save(JobModel job)
    {
        ArgumentNullException.ThrowIfNull(job);
        database.Execute(
            """
            INSERT INTO jobs (id, number, model, state, record) VALUES ($id, $number, $model, $state, $record)
            ON CONFLICT (id) DO UPDATE SET state = excluded.state, record = excluded.record
            """,
            ("$id", job.Id), ("$number", job.Number), ("$model", job.Model), ("$state", job.State.ToString()),
            ("$record", JsonSerializer.Serialize(job.Silent(), AdminJson.Options)));
    }
}
