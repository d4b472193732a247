using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration.Live;

/// <summary>One setting that differs.</summary>
/// <param name="Was">Null where it was not set. Secrets are not shown.</param>
/// <param name="Is">Null where it is not set any more.</param>
/// <param name="NeedsRestart">It takes effect when the gateway starts the next time.</param>
public sealed record ConfigChange(string Path, string? Was, string? Is, bool NeedsRestart);

/// <summary>What differs between two readings of the settings, and what of it can take effect while the gateway runs. Pure.</summary>
public static partial class ConfigDiff
{
    public static ImmutableArray<ConfigChange> Of(IConfiguration before, IConfiguration after)
    {
        var (was, now) = (Flat(before), Flat(after));
        return [.. was.Keys.Union(now.Keys, StringComparer.OrdinalIgnoreCase).Order(StringComparer.OrdinalIgnoreCase)
            .Select(path => (Path: path, Was: was.GetValueOrDefault(path), Is: now.GetValueOrDefault(path)))
            .Where(pair => pair.Was != pair.Is)
            .Select(pair => new ConfigChange(pair.Path, Shown(pair.Path, pair.Was), Shown(pair.Path, pair.Is), !Live().IsMatch(pair.Path)))];
    }

    /// <summary>The settings that run, with what can take effect of the new ones.</summary>
    public static GatewayConfig Merge(GatewayConfig running, GatewayConfig next)
    {
        ArgumentNullException.ThrowIfNull(running);
        ArgumentNullException.ThrowIfNull(next);
        return running with
        {
            Forwarding = next.Forwarding with { ConnectTimeout = running.Forwarding.ConnectTimeout },
            Jobs = next.Jobs,
            Access = running.Access with { Queue = next.Access.Queue },
            Models = [.. running.Models.Select(model => next.Models.FirstOrDefault(other => other.Id == model.Id) is not { } other ? model : model with
            {
                DrainTimeout = other.DrainTimeout,
                Rollout = other.Rollout,
                HedgeAfter = other.HedgeAfter,
                Pinned = other.Pinned,
                UnloadAfter = other.UnloadAfter,
                Recording = other.Recording with { Enabled = model.Recording.Enabled },
            })],
        };
    }

    private static Dictionary<string, string> Flat(IConfiguration settings) => settings.AsEnumerable().Where(pair => pair.Value is not null)
        .ToDictionary(pair => pair.Key, pair => pair.Value!, StringComparer.OrdinalIgnoreCase);

    private static string? Shown(string path, string? value) => value is not null && Secret().IsMatch(path) ? "(not shown)" : value;

    [GeneratedRegex("(:|^)(Key|ApiKey|Secret|Postgres|Redis|Headers)$", RegexOptions.IgnoreCase)]
    private static partial Regex Secret();

    [GeneratedRegex("^(Jobs:.+|Forwarding:(?!ConnectTimeoutSeconds$).+|Access:Queue:.+|Models:[^:]+:(DrainTimeoutSeconds|HedgeAfterSeconds|Pinned|UnloadAfterSeconds|Rollout:.+|Recording:(?!Enabled$).+))$", RegexOptions.IgnoreCase)]
    private static partial Regex Live();
}
