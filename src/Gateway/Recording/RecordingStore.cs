using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Recording;

/// <param name="Distinct">Conversations with different prompts: what a job can use.</param>
/// <param name="Seen">Exchanges offered since recording began, kept or not.</param>
public sealed record RecordingCounts(long Conversations, long Distinct, long Bytes, long Seen, DateTimeOffset? Oldest);

/// <summary>The bounded reservoir of recorded traffic in recordings.db: the only place where prompts and answers are kept, encrypted. Thread-safe.</summary>
public sealed class RecordingStore(SqliteFile database, RecordingVault vault, TimeProvider time) : IDisposable
{
    // Before contents were encrypted, the table was called conversations: it is dropped, and what it held overwritten.
    private const string Schema = """
        DROP TABLE IF EXISTS conversations;
        CREATE TABLE IF NOT EXISTS exchanges (
          model TEXT NOT NULL, number INTEGER NOT NULL, priority INTEGER NOT NULL, hash BLOB NOT NULL, bytes INTEGER NOT NULL, at INTEGER NOT NULL,
          sender TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (model, number));
        CREATE INDEX IF NOT EXISTS exchanges_by_priority ON exchanges (model, priority);
        CREATE INDEX IF NOT EXISTS exchanges_by_age ON exchanges (model, at);
        CREATE TABLE IF NOT EXISTS vault (name TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE IF NOT EXISTS uses (number INTEGER PRIMARY KEY, model TEXT NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, subject TEXT, conversations TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS seen (model TEXT PRIMARY KEY, number INTEGER NOT NULL);
        """;

    public static SqliteFile Open(StateFolder state) => SqliteFile.Open(state.Of("recordings.db"), Schema);

    internal static SqliteFile InMemory() => SqliteFile.Open(":memory:", Schema);

    /// <summary>Offers a conversation; what is kept afterwards stays within the bounds of the settings.</summary>
    /// <param name="modelId">Whose.</param>
    /// <param name="conversation">Redacted.</param>
    /// <param name="sender">Id of the key in whose name it was.</param>
    /// <param name="bounds">To keep.</param>
    public void Offer(string modelId, Conversation conversation, string sender, RecordingConfig bounds) => database.Transact(() =>
    {
        var now = time.GetUtcNow();
        var number = database.Number(
            "INSERT INTO seen (model, number) VALUES ($model, 1) ON CONFLICT (model) DO UPDATE SET number = number + 1 RETURNING number", ("$model", modelId));
        database.Execute(
            """
            INSERT INTO exchanges (model, number, priority, hash, bytes, at, sender, content)
            VALUES ($model, $number, $priority, $hash, $bytes, $at, $sender, $content)
            """,
            ("$model", modelId), ("$number", number), ("$priority", Sampling.Priority(bounds.Seed, number)), ("$hash", vault.Blind(conversation.PromptHash)),
            ("$bytes", conversation.Bytes), ("$at", now.ToUnixTimeMilliseconds()), ("$sender", sender), ("$content", vault.Seal(conversation)));
        Trim(modelId, bounds, now);
    });

    /// <summary>Drops what is past its time to live.</summary>
    public void Expire(string modelId, RecordingConfig bounds) => database.Execute(
        "DELETE FROM exchanges WHERE model = $model AND at < $limit",
        ("$model", modelId), ("$limit", (time.GetUtcNow() - bounds.TimeToLive).ToUnixTimeMilliseconds()));

    public RecordingCounts Count(string modelId) => database.Query(
        """
        SELECT count(*), count(DISTINCT hash), coalesce(sum(bytes), 0), min(at), coalesce((SELECT number FROM seen WHERE model = $model), 0)
        FROM exchanges WHERE model = $model
        """,
        row => new RecordingCounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(4),
            row.IsDBNull(3) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))),
        ("$model", modelId))[0];

    /// <summary>Deletes conversations and their traces in the file; the audit tells which. Returns how many there were.</summary>
    public int Purge(string modelId, RecordingSelection? selection = null)
    {
        var chosen = selection ?? new RecordingSelection();
        var gone = 0;
        database.Transact(() =>
        {
            Audit(modelId, "purge", null, database.Query($"SELECT hash FROM exchanges WHERE {RecordingSelection.Where}", row => IdOf(row.GetFieldValue<byte[]>(0)), chosen.Parameters(modelId)));
            gone = database.Execute($"DELETE FROM exchanges WHERE {RecordingSelection.Where}", chosen.Parameters(modelId));
        });
        // Deleted content is overwritten (secure_delete); the journal still holds it until it is cut.
        database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        return gone;
    }

    /// <summary>One conversation a prompt (the earliest), in the seed's order; the same seed and content draw the same.</summary>
    public IReadOnlyList<RecordedConversation> Draw(string modelId, int seed, int most)
    {
        var drawn = database.Query(
            "SELECT min(number), hash FROM exchanges WHERE model = $model GROUP BY hash",
            row => (Number: row.GetInt64(0), Hash: row.GetFieldValue<byte[]>(1)),
            ("$model", modelId));
        return [.. drawn.OrderBy(candidate => Sampling.DrawOrder(seed, candidate.Hash)).Take(most).Select(candidate => Find(modelId, candidate.Number)).OfType<RecordedConversation>()];
    }

    /// <summary>Oldest first; one at a time, so that none waits in memory for another. The audit tells which.</summary>
    public IEnumerable<RecordedConversation> Export(string modelId, RecordingSelection selection)
    {
        ArgumentNullException.ThrowIfNull(selection);
        var numbers = database.Query($"SELECT number, hash FROM exchanges WHERE {RecordingSelection.Where} ORDER BY number", row => (Number: row.GetInt64(0), Id: IdOf(row.GetFieldValue<byte[]>(1))), selection.Parameters(modelId));
        Audit(modelId, "export", null, numbers.Select(row => row.Id));
        foreach (var (number, _) in numbers)
        {
            if (Find(modelId, number) is { } found) yield return found;
        }
    }

    public void Audit(string modelId, string what, string? subject, IEnumerable<string> conversations) => database.Execute(
        "INSERT INTO uses (model, at, what, subject, conversations) VALUES ($model, $at, $what, $subject, $conversations)",
        ("$model", modelId), ("$at", time.GetUtcNow().ToUnixTimeMilliseconds()), ("$what", what), ("$subject", subject), ("$conversations", string.Join(' ', conversations)));

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<RecordingUse> Uses(string modelId) => database.Query(
        "SELECT at, what, subject, conversations FROM uses WHERE model = $model ORDER BY number",
        row => new RecordingUse(DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(0)), row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2),
            row.GetString(3).Split(' ', StringSplitOptions.RemoveEmptyEntries)),
        ("$model", modelId));

    public void Dispose() => database.Dispose();

    private static string IdOf(byte[] hash) => Convert.ToHexStringLower(hash.AsSpan(0, 12));

    /// <summary>Null when it was trimmed or purged meanwhile.</summary>
    private RecordedConversation? Find(string modelId, long number) => database.Query(
        "SELECT content, at, hash FROM exchanges WHERE model = $model AND number = $number",
        row =>
        {
            var (messages, prompt, answer) = vault.Unseal(row.GetFieldValue<byte[]>(0));
            return new RecordedConversation
            {
                Id = IdOf(row.GetFieldValue<byte[]>(2)),
                Messages = messages is null ? null : JsonElement.Parse(messages),
                Prompt = prompt,
                Answer = answer,
                At = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            };
        },
        ("$model", modelId), ("$number", number)) is [var found, ..] ? found : null;

    private void Trim(string modelId, RecordingConfig bounds, DateTimeOffset now)
    {
        database.Execute(
            "DELETE FROM exchanges WHERE model = $model AND at < $limit", ("$model", modelId), ("$limit", (now - bounds.TimeToLive).ToUnixTimeMilliseconds()));
        while (true)
        {
            var (count, bytes) = database.Query(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM exchanges WHERE model = $model", row => (row.GetInt64(0), row.GetInt64(1)), ("$model", modelId))[0];
            if (count <= bounds.MaxConversations && bytes <= bounds.MaxBytes) return;
            database.Execute(
                "DELETE FROM exchanges WHERE model = $model AND priority = (SELECT max(priority) FROM exchanges WHERE model = $model)", ("$model", modelId));
        }
    }
}
