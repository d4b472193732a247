using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Recording;

/// <param name="Distinct">Conversations with different prompts: what a job can use.</param>
/// <param name="Seen">Exchanges offered since recording began, kept or not.</param>
public sealed record RecordingCounts(long Conversations, long Distinct, long Bytes, long Seen, DateTimeOffset? Oldest);

/// <summary>The bounded reservoir of recorded traffic in recordings.db: the only place where prompts and answers are kept. Thread-safe.</summary>
public sealed class RecordingStore(SqliteFile database, TimeProvider time) : IDisposable
{
    private const string Schema = """
        CREATE TABLE IF NOT EXISTS conversations (
          model TEXT NOT NULL, number INTEGER NOT NULL, priority INTEGER NOT NULL, hash BLOB NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL,
          messages TEXT, prompt TEXT, answer TEXT NOT NULL, PRIMARY KEY (model, number));
        CREATE INDEX IF NOT EXISTS by_priority ON conversations (model, priority);
        CREATE INDEX IF NOT EXISTS by_age ON conversations (model, at);
        CREATE TABLE IF NOT EXISTS seen (model TEXT PRIMARY KEY, number INTEGER NOT NULL);
        """;

    public static SqliteFile Open(StateFolder state) => SqliteFile.Open(state.Of("recordings.db"), Schema);

    internal static SqliteFile InMemory() => SqliteFile.Open(":memory:", Schema);

    /// <summary>Offers a conversation; what is kept afterwards stays within the bounds of the settings.</summary>
    public void Offer(string modelId, Conversation conversation, RecordingConfig bounds) => database.Transact(() =>
    {
        var now = time.GetUtcNow();
        var number = database.Number(
            "INSERT INTO seen (model, number) VALUES ($model, 1) ON CONFLICT (model) DO UPDATE SET number = number + 1 RETURNING number", ("$model", modelId));
        database.Execute(
            """
            INSERT INTO conversations (model, number, priority, hash, bytes, at, messages, prompt, answer)
            VALUES ($model, $number, $priority, $hash, $bytes, $at, $messages, $prompt, $answer)
            """,
            ("$model", modelId), ("$number", number), ("$priority", Sampling.Priority(bounds.Seed, number)), ("$hash", conversation.PromptHash),
            ("$bytes", conversation.Bytes), ("$at", now.ToUnixTimeMilliseconds()), ("$messages", conversation.Messages), ("$prompt", conversation.Prompt),
            ("$answer", conversation.Answer));
        Trim(modelId, bounds, now);
    });

    /// <summary>Drops what is past its time to live.</summary>
    public void Expire(string modelId, RecordingConfig bounds) => database.Execute(
        "DELETE FROM conversations WHERE model = $model AND at < $limit",
        ("$model", modelId), ("$limit", (time.GetUtcNow() - bounds.TimeToLive).ToUnixTimeMilliseconds()));

    public RecordingCounts Count(string modelId) => database.Query(
        """
        SELECT count(*), count(DISTINCT hash), coalesce(sum(bytes), 0), min(at), coalesce((SELECT number FROM seen WHERE model = $model), 0)
        FROM conversations WHERE model = $model
        """,
        row => new RecordingCounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(4),
            row.IsDBNull(3) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))),
        ("$model", modelId))[0];

    /// <summary>Deletes a model's conversations and their traces in the file. Returns how many there were.</summary>
    public int Purge(string modelId)
    {
        var gone = database.Execute("DELETE FROM conversations WHERE model = $model", ("$model", modelId));
        // Deleted content is overwritten (secure_delete); the journal still holds it until it is cut.
        database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        return gone;
    }

    /// <summary>One conversation a prompt (the earliest), in the seed's order; the same seed and content draw the same.</summary>
    public IReadOnlyList<RecordedConversation> Draw(string modelId, int seed, int most)
    {
        var drawn = database.Query(
            "SELECT min(number), hash FROM conversations WHERE model = $model GROUP BY hash",
            row => (Number: row.GetInt64(0), Hash: row.GetFieldValue<byte[]>(1)),
            ("$model", modelId));
        return [.. drawn.OrderBy(candidate => Sampling.DrawOrder(seed, candidate.Hash)).Take(most).Select(candidate => Read(modelId, candidate.Number))];
    }

    public void Dispose() => database.Dispose();

    private RecordedConversation Read(string modelId, long number) => database.Query(
        "SELECT messages, prompt, answer, at, hash FROM conversations WHERE model = $model AND number = $number",
        row => new RecordedConversation
        {
            Id = Convert.ToHexStringLower(row.GetFieldValue<byte[]>(4).AsSpan(0, 12)),
            Messages = row.IsDBNull(0) ? null : JsonElement.Parse(row.GetString(0)),
            Prompt = row.IsDBNull(1) ? null : row.GetString(1),
            Answer = row.GetString(2),
            At = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)),
        },
        ("$model", modelId), ("$number", number))[0];

    private void Trim(string modelId, RecordingConfig bounds, DateTimeOffset now)
    {
        database.Execute(
            "DELETE FROM conversations WHERE model = $model AND at < $limit", ("$model", modelId), ("$limit", (now - bounds.TimeToLive).ToUnixTimeMilliseconds()));
        while (true)
        {
            var (count, bytes) = database.Query(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM conversations WHERE model = $model", row => (row.GetInt64(0), row.GetInt64(1)), ("$model", modelId))[0];
            if (count <= bounds.MaxConversations && bytes <= bounds.MaxBytes) return;
            database.Execute(
                "DELETE FROM conversations WHERE model = $model AND priority = (SELECT max(priority) FROM conversations WHERE model = $model)", ("$model", modelId));
        }
    }
}
