using System.Collections.Frozen;

namespace FinerCut.Gateway.Access.Keys;

/// <param name="Text">Shown this once; only its hash is kept.</param>
public sealed record CreatedKey(string Text, AccessKey Key);

/// <summary>
/// The keys of this process: readers take an immutable snapshot and never wait for the store. Changes made here hold at once; those of
/// other gateways on the same store hold after the next <see cref="RefreshAsync"/>. Thread-safe; one writer at a time.
/// </summary>
public sealed class KeyRing(IKeyStore store, TimeProvider clock) : IDisposable
{
    /// <summary>An unknown but well-formed key makes the ring look at the store again, at most this often.</summary>
    private static readonly TimeSpan MissInterval = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _writing = new(1, 1);
    private volatile FrozenDictionary<string, AccessKey> _keys = FrozenDictionary<string, AccessKey>.Empty;
    private readonly Lock _lookGate = new();
    private Task _look = Task.CompletedTask;
    private long _lookedAt = long.MinValue;

    public IReadOnlyCollection<AccessKey> All => _keys.Values;

    public AccessKey? Get(string id) => _keys.GetValueOrDefault(id);

    /// <summary>The live key with this text, or null: unknown, wrong, expired and disabled keys look the same from outside.</summary>
    public async ValueTask<AccessKey?> FindAsync(string? text, CancellationToken cancellationToken)
    {
        if (!KeyText.TryReadId(text, out var id)) return null;
        var key = Get(id);
        if (key is null)
        {
            await LookAgainAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            key = Get(id);
        }

        return KeyText.Matches(text!, key) && key!.IsLive(clock.GetUtcNow()) ? key : null;
    }

    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // PostgreSQL's socket would go on here: a table of thousands of keys is not built on its thread.
            _keys = (await store.ReadAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding)).ToFrozenDictionary(key => key.Id);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <param name="describe">Makes the record from the id, the hash and the time of creation.</param>
    public async Task<CreatedKey> CreateAsync(Func<string, string, DateTimeOffset, AccessKey> describe, CancellationToken cancellationToken)
    {
        var text = KeyText.Create();
        KeyText.TryReadId(text, out var id);
        var key = describe(id!, KeyText.Hash(text), clock.GetUtcNow());
        await WriteAsync(async () =>
        {
            await store.SaveAsync(key, cancellationToken).ConfigureAwait(false);
            return new Dictionary<string, AccessKey>(_keys) { [key.Id] = key };
        }, cancellationToken).ConfigureAwait(false);
        return new CreatedKey(text, key);
    }

    /// <returns>The changed key, or null when there is none with this id.</returns>
    public async Task<AccessKey?> ChangeAsync(string id, Func<AccessKey, AccessKey> change, CancellationToken cancellationToken)
    {
        AccessKey? changed = null;
        await WriteAsync(async () =>
        {
            if (!_keys.TryGetValue(id, out var key)) return null;
            changed = change(key) with { Id = key.Id, Hash = key.Hash, CreatedAt = key.CreatedAt };
            await store.SaveAsync(changed, cancellationToken).ConfigureAwait(false);
            return new Dictionary<string, AccessKey>(_keys) { [id] = changed };
        }, cancellationToken).ConfigureAwait(false);
        return changed;
    }

    /// <returns>False when there was none.</returns>
    public async Task<bool> DeleteAsync(string id, CancellationToken cancellationToken)
    {
        var deleted = false;
        await WriteAsync(async () =>
        {
            deleted = await store.DeleteAsync(id, cancellationToken).ConfigureAwait(false);
            return new Dictionary<string, AccessKey>(_keys.Where(pair => pair.Key != id));
        }, cancellationToken).ConfigureAwait(false);
        return deleted;
    }

    public void Dispose() => _writing.Dispose();

    private async Task WriteAsync(Func<Task<Dictionary<string, AccessKey>?>> write, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (await write().ConfigureAwait(false) is { } keys) _keys = keys.ToFrozenDictionary();
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Whoever comes while a look is under way waits for it: the first requests with a key made elsewhere come together.</summary>
    private Task LookAgainAsync()
    {
        lock (_lookGate)
        {
            if (!_look.IsCompleted) return _look;
            if (_lookedAt != long.MinValue && clock.GetElapsedTime(_lookedAt) < MissInterval) return Task.CompletedTask;
            _lookedAt = clock.GetTimestamp();
            // SQLite reads where it is called: not on the thread of the request's socket.
            return _look = Task.Run(() => RefreshAsync(CancellationToken.None));
        }
    }
}
