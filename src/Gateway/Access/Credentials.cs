using System.Net;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access;

/// <summary>What a request says of its sender. Pure.</summary>
/// <param name="Key">The text of the key; null where there is none.</param>
/// <param name="Wrong">The headers contradict each other or are no credentials at all.</param>
public readonly record struct Credentials(string? Key, bool Wrong)
{
    private const string Bearer = "Bearer ";

    /// <summary>Headers that a proxy adds: with one of them, the connection's address is not the sender's.</summary>
    private static readonly string[] ForwardingHeaders = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"];

    /// <summary>Authorization: Bearer, or x-api-key as Anthropic's clients send it. Two different keys are refused: readers could differ on which counts.</summary>
    public static Credentials Of(IHeaderDictionary headers)
    {
        var authorization = headers.Authorization;
        var apiKey = headers["x-api-key"];
        if (authorization.Count > 1 || apiKey.Count > 1) return new Credentials(null, Wrong: true);
        var other = apiKey.Count == 1 ? apiKey.ToString().Trim() : "";
        if (authorization.Count == 0 || string.IsNullOrWhiteSpace(authorization)) return new Credentials(other.Length > 0 ? other : null, Wrong: false);
        var text = authorization.ToString();
        if (!text.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)) return new Credentials(null, Wrong: true);
        var bearer = text[Bearer.Length..].Trim();
        if (bearer.Length == 0) return new Credentials(other.Length > 0 ? other : null, Wrong: false);
        return other.Length > 0 && other != bearer ? new Credentials(null, Wrong: true) : new Credentials(bearer, Wrong: false);
    }

    /// <summary>
    /// True for a program on this machine that speaks to the gateway itself: not through a proxy, not a page of some web site in a browser (its
    /// origin, or after DNS rebinding its host, gives it away).
    /// </summary>
    public static bool IsLocal(IPAddress? remote, IHeaderDictionary headers, string host) =>
        remote is not null && IPAddress.IsLoopback(remote)
        && !ForwardingHeaders.Any(headers.ContainsKey)
        && IsLocalName(host)
        && (headers.Origin.Count == 0 || (headers.Origin.Count == 1 && Uri.TryCreate(headers.Origin, UriKind.Absolute, out var origin) && IsLocalName(origin.Host)));

    private static bool IsLocalName(string host) =>
        host.Length == 0
        || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
}
