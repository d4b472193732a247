using System.Collections.Immutable;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Access.Quotas;

namespace FinerCut.Gateway.Access.Administration;

/// <summary>A key as admins see it: never the key, never its hash.</summary>
public sealed record KeyView(string Id, string Name, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, bool Disabled)
{
    public required ImmutableArray<string> Scopes { get; init; }

    public required ImmutableArray<string> Models { get; init; }

    public required KeyLimits Limits { get; init; }

    public required string Priority { get; init; }

    public required int Weight { get; init; }

    public required bool Recording { get; init; }

    /// <summary>The key itself, in the answer to its creation alone.</summary>
    public string? Key { get; init; }

    /// <summary>What was used, where it was asked for.</summary>
    public KeyUsage? Usage { get; init; }

    public static KeyView Of(AccessKey key) => new(key.Id, key.Name, key.CreatedAt, key.ExpiresAt, key.Disabled)
    {
        Scopes = KeyFields.WordsOf(key.Scopes.Grants),
        Models = key.Scopes.Models,
        Limits = key.Limits,
        Priority = key.Priority.ToString().ToLowerInvariant(),
        Weight = key.Weight,
        Recording = key.Recording,
    };
}

/// <summary>What a key has used; counted for keys with limits only.</summary>
public sealed record KeyUsage(long RequestsThisMinute, long TokensThisMinute, long TokensToday, int Running)
{
    public static KeyUsage Of(QuotaState state, DateTimeOffset now)
    {
        var nowMs = now.ToUnixTimeMilliseconds();
        return new KeyUsage(state.Requests.Sum(nowMs), state.Tokens.Sum(nowMs), QuotaArithmetic.DayTokens(state, nowMs), state.Running.Length);
    }
}
