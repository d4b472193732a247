using System.Collections.Immutable;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;
using FinerCut.Gateway.Access.Storage;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace FinerCut.Tests.Access;

/// <summary>What every store must do; run on each database.</summary>
public abstract class StoreContract : IAsyncLifetime
{
    private static readonly QuotaReach Everything = new(null, Owners: true);
    private readonly List<IAccessDatabase> _opened = [];

    /// <summary>A connection of its own to the database of this test, as another gateway would have.</summary>
    protected abstract Task<IAccessDatabase> ConnectAsync();

    /// <summary>Everything that is stored, as text.</summary>
    protected abstract Task<string> DumpAsync();

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual async ValueTask DisposeAsync()
    {
        foreach (var database in _opened) await database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Keys_are_kept_as_they_are_and_only_hashed()
    {
        var database = await OpenAsync();
        using var ring = new KeyRing(new SqlKeyStore(database), TimeProvider.System);
        var made = await ring.CreateAsync((id, hash, at) => Some.Key(id) with
        {
            Hash = hash,
            CreatedAt = at,
            ExpiresAt = at.AddDays(3),
            Name = "Jürgen's \"app\"; drop table access_keys",
            Scopes = new KeyScopes(Grants.Chat | Grants.Metrics, ["a*", "b"]),
            Limits = new KeyLimits(1, 2, 3, long.MaxValue),
            Priority = PriorityClass.High,
            Weight = 7,
            Recording = true,
        }, default);

        var kept = Assert.Single(await new SqlKeyStore(await OpenAsync()).ReadAsync(default));
        Assert.Equal(made.Key, kept);
        var dump = await DumpAsync();
        Assert.DoesNotContain(made.Text[^KeyText.SecretLength..], dump, StringComparison.Ordinal);
        Assert.Contains(KeyText.Hash(made.Text), dump, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_are_replaced_and_deleted_with_their_counts()
    {
        var database = await OpenAsync();
        var store = new SqlKeyStore(database);
        await store.SaveAsync(Some.Key("a"), default);
        await store.SaveAsync(Some.Key("b"), default);
        await store.SaveAsync(Some.Key("a") with { Disabled = true }, default);
        await new SqlQuotaStore(database).ChangeAsync(Everything, book => (With(book, "a", 1), 0), default);
        Assert.Equal([true, false], (await store.ReadAsync(default)).OrderBy(key => key.Id).Select(key => key.Disabled));
        Assert.True(await store.DeleteAsync("a", default));
        Assert.False(await store.DeleteAsync("a", default));
        Assert.Equal("b", Assert.Single(await store.ReadAsync(default)).Id);
        Assert.Empty((await ReadAsync(database)).States);
    }

    [Fact]
    public async Task A_change_is_kept_whole_and_what_it_leaves_out_is_deleted()
    {
        var store = new SqlQuotaStore(await OpenAsync());
        var full = With(With(QuotaBook.Empty, "a", 1), "b", 2) with { Owners = QuotaBook.Empty.Owners.Add("x|1", 5).Add("y|2", long.MaxValue) };
        await store.ChangeAsync(Everything, _ => (full, 0), default);
        var other = await OpenAsync();
        Same(full, await ReadAsync(other));

        await store.ChangeAsync(new QuotaReach(["b"], Owners: false), book =>
        {
            Assert.Equal(["b"], book.States.Keys);
            Assert.Empty(book.Owners);
            return (With(book, "b", 3), 0);
        }, default);
        Same(With(full, "b", 3), await ReadAsync(other));

        await store.ChangeAsync(Everything, book => (new QuotaBook(book.States.Remove("a"), book.Owners.Remove("x|1")), 0), default);
        var left = await ReadAsync(other);
        Assert.Equal(["b"], left.States.Keys);
        Assert.Equal(["y|2"], left.Owners.Keys);
    }

    [Fact]
    public async Task A_change_that_throws_changes_nothing()
    {
        var database = await OpenAsync();
        var store = new SqlQuotaStore(database);
        await store.ChangeAsync(Everything, book => (With(book, "a", 1), 0), default);
        await Assert.ThrowsAsync<InvalidOperationException>(() => store.ChangeAsync<int>(Everything, _ => throw new InvalidOperationException(), default));
        Assert.Equal(1, (await ReadAsync(database)).StateOf("a").DayTokens);
    }

    [Fact]
    public async Task Changes_of_many_clients_on_two_gateways_follow_one_another()
    {
        var stores = new[] { new SqlQuotaStore(await OpenAsync()), new SqlQuotaStore(await OpenAsync()) };
        var clients = Enumerable.Range(0, 16).Select(client => Task.Run(async () =>
        {
            for (var i = 0; i < 10; i++)
            {
                // Overlapping sets of keys, named in different orders, some of which no row exists for yet.
                var keys = new[] { "shared", $"key{(client + i) % 3}", $"key{(client * i) % 5}" }.Distinct().ToArray();
                await stores[client % 2].ChangeAsync(
                    new QuotaReach(client % 2 == 0 ? keys : [.. keys.Reverse()], Owners: client % 4 == 0),
                    book => (keys.Aggregate(book, (next, key) => With(next, key, next.StateOf(key).DayTokens + 1)), 0),
                    default);
            }
        }));
        await Task.WhenAll(clients);
        Assert.Equal(160, (await ReadAsync(await OpenAsync())).StateOf("shared").DayTokens);
    }

    [Fact]
    public async Task Sixty_four_clients_never_get_more_than_the_limits()
    {
        // Two gateways, three quotas at once: 200 requests or 1,000 tokens a minute, 8 at a time.
        var limits = new KeyLimits(RequestsPerMinute: 200, TokensPerMinute: 1000, Concurrency: 8);
        await using var one = new QuotaLedger(new SqlQuotaStore(await OpenAsync()), TimeProvider.System, new QuotaOwner("one", "1"));
        await using var two = new QuotaLedger(new SqlQuotaStore(await OpenAsync()), TimeProvider.System, new QuotaOwner("two", "1"));
        await one.RenewAsync(whole: true, default);
        await two.RenewAsync(whole: true, default);
        int running = 0, most = 0, admitted = 0, refused = 0;
        var clients = Enumerable.Range(0, 64).Select(client => Task.Run(async () =>
        {
            var ledger = client % 2 == 0 ? one : two;
            for (var i = 0; i < 6; i++)
            {
                var (decision, ticket) = await ledger.ReserveAsync("key", limits, tokens: 20);
                if (ticket is null)
                {
                    Assert.IsType<QuotaRefused>(decision);
                    Interlocked.Increment(ref refused);
                    continue;
                }

                var now = Interlocked.Increment(ref running);
                InterlockedMax(ref most, now);
                await ledger.ChargeAsync(ticket, tokens: 10);
                Interlocked.Increment(ref admitted);
                Interlocked.Decrement(ref running);
                await ledger.EndAsync(ticket, finished: true);
            }
        })).ToArray();
        await Task.WhenAll(clients);
        var state = await one.ReadAsync("key", default);
        Assert.Equal(64 * 6, admitted + refused);
        Assert.InRange(most, 1, 8);
        Assert.InRange(admitted, 1, 100);
        Assert.Empty(state.Running);
        Assert.Equal(admitted * 10L, state.DayTokens);
    }

    [Fact]
    public async Task What_a_dead_process_held_is_found_and_released()
    {
        var limits = new KeyLimits(Concurrency: 3, TokensPerDay: 1000);
        var database = await OpenAsync();
        var dead = new QuotaLedger(new SqlQuotaStore(database), TimeProvider.System, new QuotaOwner("gateway", "1"));
        await dead.RenewAsync(whole: true, default);
        var (_, finished) = await dead.ReserveAsync("key", limits, 100);
        await dead.ChargeAsync(finished!, 40);
        await dead.ReserveAsync("key", limits, 100);
        await dead.ReserveAsync("other", limits, 100);

        // Another gateway must not take it for dead; its own successor must, at once.
        await using var other = new QuotaLedger(new SqlQuotaStore(await OpenAsync()), TimeProvider.System, new QuotaOwner("elsewhere", "1"));
        Assert.Equal(0, await other.RenewAsync(whole: true, default));
        await using var heir = new QuotaLedger(new SqlQuotaStore(await OpenAsync()), TimeProvider.System, new QuotaOwner("gateway", "2"));
        Assert.Equal(3, await heir.RenewAsync(whole: false, default));
        var state = await heir.ReadAsync("key", default);
        Assert.Empty(state.Running);
        Assert.Equal(40, state.DayTokens);
        Assert.Equal(["elsewhere|1", "gateway|2"], (await ReadAsync(database)).Owners.Keys.Order());

        // The process was only asleep: what it now says of the end of its requests is counted once, and frees nothing twice.
        await dead.EndAsync(finished!, finished: true);
        Assert.Equal(40, (await heir.ReadAsync("key", default)).DayTokens);
        await dead.DisposeAsync();
    }

    [Fact]
    public async Task A_later_schema_is_refused()
    {
        var database = await OpenAsync();
        await database.TransactAsync(async (transaction, token) =>
        {
            await using var command = transaction.Connection!.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "update access_schema set version = 99";
            return await command.ExecuteNonQueryAsync(token);
        }, default);
        var refusal = await Assert.ThrowsAsync<InvalidDataException>(OpenAsync);
        Assert.Contains("version 99", refusal.Message, StringComparison.Ordinal);
    }

    private static QuotaBook With(QuotaBook book, string key, long dayTokens) => book with
    {
        States = book.States.SetItem(key, new QuotaState(
            new SlidingWindow([new WindowBucket(1, 2), new WindowBucket(3, 4)]),
            SlidingWindow.Empty, 19_000, dayTokens, 12.5,
            [new Reservation("r", "o|1", 1, 2, 3, 4, 5, true)])),
    };

    private static void Same(QuotaBook expected, QuotaBook found)
    {
        Assert.Equal(expected.States.OrderBy(pair => pair.Key), found.States.OrderBy(pair => pair.Key));
        Assert.Equal(expected.Owners.OrderBy(pair => pair.Key), found.Owners.OrderBy(pair => pair.Key));
    }

    private static Task<QuotaBook> ReadAsync(IAccessDatabase database) => new SqlQuotaStore(database).ChangeAsync(Everything, book => (book, book), default);

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most) Interlocked.CompareExchange(ref most, value, seen);
    }

    private async Task<IAccessDatabase> OpenAsync()
    {
        var database = await ConnectAsync();
        _opened.Add(database);
        return database;
    }
}

public sealed class SqliteStoreTests : StoreContract
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-access-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "access.db");

    [Fact]
    public async Task The_file_is_its_owners_alone()
    {
        await ConnectAsync().ContinueWith(opened => opened.Result.DisposeAsync().AsTask()).Unwrap();
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    protected override async Task<IAccessDatabase> ConnectAsync() => await SqliteAccessDatabase.OpenAsync(Path, default);

    protected override async Task<string> DumpAsync()
    {
        await using var connection = new SqliteConnection($"Data Source={Path};Pooling=false");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "select group_concat(id || document) from access_keys";
        return (string)(await command.ExecuteScalarAsync())!;
    }
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresStoreTests(PostgresServer server) : StoreContract
{
    private string _database = "";

    public override async ValueTask InitializeAsync() => _database = await server.NewDatabaseAsync();

    protected override async Task<IAccessDatabase> ConnectAsync() => await PostgresAccessDatabase.OpenAsync(_database, default);

    protected override async Task<string> DumpAsync()
    {
        await using var connection = new NpgsqlConnection(_database);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "select string_agg(id || document, '') from access_keys";
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
