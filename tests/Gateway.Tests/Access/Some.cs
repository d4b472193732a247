using System.Collections.Concurrent;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Tests.Access;

/// <summary>Values that tests begin from.</summary>
internal static class Some
{
    public static AccessKey Key(string id) => new()
    {
        Id = id,
        Name = "test",
        Hash = new string('0', 64),
        CreatedAt = DateTimeOffset.UnixEpoch,
        Scopes = new KeyScopes(Grants.Inference, ["*"]),
    };
}

internal sealed class MemoryKeyStore : IKeyStore
{
    private readonly ConcurrentDictionary<string, AccessKey> _keys = new();

    public int Reads { get; private set; }

    /// <summary>Reads end after this.</summary>
    public Task Held { get; set; } = Task.CompletedTask;

    public async Task<IReadOnlyList<AccessKey>> ReadAsync(CancellationToken cancellationToken)
    {
        Reads++;
        await Held;
        return [.. _keys.Values];
    }

    public Task SaveAsync(AccessKey key, CancellationToken cancellationToken)
    {
        _keys[key.Id] = key;
        return Task.CompletedTask;
    }

    public Task<bool> DeleteAsync(string id, CancellationToken cancellationToken) => Task.FromResult(_keys.TryRemove(id, out _));
}
