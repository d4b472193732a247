using System.Collections.Immutable;
using System.Data.Common;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Gateway.Access.Storage;

/// <summary>
/// Counts as JSON documents, one row a key. Rows are locked in the order of their ids, states before owners: two gateways cannot lock each
/// other out, and every reservation that is read has an owner who is read as well.
/// </summary>
public sealed class SqlQuotaStore(IAccessDatabase database) : IQuotaStore
{
    private const string NoState = "";
    private const string BeforeLocks = "before_locks";

    public Task<T> ChangeAsync<T>(QuotaReach reach, Func<QuotaBook, (QuotaBook Book, T Result)> change, CancellationToken cancellationToken) =>
        database.TransactAsync(
            async (transaction, token) =>
            {
                var before = new QuotaBook(
                    await StatesAsync(transaction, reach, token).ConfigureAwait(false),
                    reach.Owners ? await OwnersAsync(transaction, token).ConfigureAwait(false) : ImmutableDictionary<string, long>.Empty);
                var (after, result) = change(before);
                await SaveStatesAsync(transaction, before, after, token).ConfigureAwait(false);
                if (reach.Owners) await SaveOwnersAsync(transaction, before, after, token).ConfigureAwait(false);
                return result;
            },
            cancellationToken);

    private async Task<ImmutableDictionary<string, QuotaState>> StatesAsync(DbTransaction transaction, QuotaReach reach, CancellationToken cancellationToken)
    {
        if (reach.Keys is { Count: 0 }) return ImmutableDictionary<string, QuotaState>.Empty;
        var mayLackRows = reach.Keys is not null && database.RowLock.Length > 0;
        if (mayLackRows) await transaction.SaveAsync(BeforeLocks, cancellationToken).ConfigureAwait(false);
        var rows = await SelectAsync(transaction, reach.Keys, cancellationToken).ConfigureAwait(false);
        if (mayLackRows && reach.Keys is { } keys && rows.Count < keys.Count)
        {
            // A row that does not exist cannot be locked: make it first, so that of two who begin a key's counts one waits. It waits with nothing in its
            // hands: the locks on those that exist are given back before, else two who wait for each other's new row would never end.
            await transaction.RollbackAsync(BeforeLocks, cancellationToken).ConfigureAwait(false);
            var missing = keys.Except(rows.Select(row => row.Key)).Order(StringComparer.Ordinal).ToArray();
            await transaction.RunAsync(
                $"insert into quota_states (key_id, document) values {Rows(missing.Length, 2)} on conflict (key_id) do nothing",
                cancellationToken, [.. missing.SelectMany(key => new object[] { key, NoState })]).ConfigureAwait(false);
            rows = await SelectAsync(transaction, reach.Keys, cancellationToken).ConfigureAwait(false);
        }

        return rows.Where(row => row.Document != NoState).ToImmutableDictionary(row => row.Key, row => QuotaJson.Read(row.Key, row.Document));
    }

    private Task<List<(string Key, string Document)>> SelectAsync(DbTransaction transaction, IReadOnlyCollection<string>? keys, CancellationToken cancellationToken) =>
        transaction.ReadAsync(
            $"select key_id, document from quota_states{(keys is null ? "" : $" where key_id in {Rows(1, keys.Count)}")} order by key_id{database.RowLock}",
            row => (row.GetString(0), row.GetString(1)),
            cancellationToken, [.. keys ?? []]);

    private async Task<ImmutableDictionary<string, long>> OwnersAsync(DbTransaction transaction, CancellationToken cancellationToken) =>
        (await transaction.ReadAsync(
            $"select owner, seen_ms from quota_owners order by owner{database.RowLock}",
            row => KeyValuePair.Create(row.GetString(0), row.GetInt64(1)),
            cancellationToken).ConfigureAwait(false)).ToImmutableDictionary();

    private static async Task SaveStatesAsync(DbTransaction transaction, QuotaBook before, QuotaBook after, CancellationToken cancellationToken)
    {
        var changed = after.States.Where(pair => !ReferenceEquals(pair.Value, before.States.GetValueOrDefault(pair.Key))).OrderBy(pair => pair.Key, StringComparer.Ordinal);
        foreach (var chunk in changed.Chunk(500))
        {
            await transaction.RunAsync(
                $"insert into quota_states (key_id, document) values {Rows(chunk.Length, 2)} on conflict (key_id) do update set document = excluded.document",
                cancellationToken, [.. chunk.SelectMany(pair => new object[] { pair.Key, QuotaJson.Write(pair.Value) })]).ConfigureAwait(false);
        }

        foreach (var chunk in before.States.Keys.Where(key => !after.States.ContainsKey(key)).Chunk(500))
        {
            await transaction.RunAsync($"delete from quota_states where key_id in {Rows(1, chunk.Length)}", cancellationToken, [.. chunk]).ConfigureAwait(false);
        }
    }

    private static async Task SaveOwnersAsync(DbTransaction transaction, QuotaBook before, QuotaBook after, CancellationToken cancellationToken)
    {
        foreach (var (owner, seenMs) in after.Owners)
        {
            if (before.Owners.TryGetValue(owner, out var known) && known == seenMs) continue;
            await transaction.RunAsync(
                "insert into quota_owners (owner, seen_ms) values (@p0, @p1) on conflict (owner) do update set seen_ms = excluded.seen_ms",
                cancellationToken, owner, seenMs).ConfigureAwait(false);
        }

        foreach (var owner in before.Owners.Keys.Where(owner => !after.Owners.ContainsKey(owner)))
        {
            await transaction.RunAsync("delete from quota_owners where owner = @p0", cancellationToken, owner).ConfigureAwait(false);
        }
    }

    /// <summary>(@p0, @p1), (@p2, @p3) ...</summary>
    private static string Rows(int rows, int columns) => string.Join(
        ", ", Enumerable.Range(0, rows).Select(row => $"({string.Join(", ", Enumerable.Range(row * columns, columns).Select(i => "@p" + i))})"));
}
