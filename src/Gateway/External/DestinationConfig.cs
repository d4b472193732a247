using System.Collections.Immutable;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.External;

/// <summary>A server elsewhere that speaks OpenAI's protocol and knows the model by the same id.</summary>
/// <param name="Url">Base address, the part before /v1, without a slash at its end.</param>
/// <param name="ApiKey">Sent as bearer token instead of the client's key; null for none.</param>
/// <param name="HealthPath">Asked again and again; an answer below 500 is health.</param>
/// <param name="MaxConcurrent">Bulkhead: requests at a time; others wait for another destination or are tried again.</param>
/// <param name="BreakerFailures">Failures in a row that open the breaker.</param>
/// <param name="BreakerPause">After it one probe is let through.</param>
public sealed record DestinationConfig(string Name, Uri Url, string? ApiKey, string HealthPath, TimeSpan HealthInterval, int MaxConcurrent, int BreakerFailures, TimeSpan BreakerPause)
{
    internal static ImmutableArray<DestinationConfig> Read(SectionReader section) => [.. section.Named("Destinations").Select(named => Read(named.Name, named.Reader))];

    /// <summary>Leaves the key out: records print all their members.</summary>
    public override string ToString() => $"{Name} {Url}";

    private static DestinationConfig Read(string name, SectionReader section)
    {
        var text = section.Text("Url");
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Query.Length > 0 || url.UserInfo.Length > 0)
        {
            section.Error("Url", text, "expected a base address such as https://llm.example:8000, without user, password or query");
            url = new Uri("http://127.0.0.1");
        }

        var path = section.Text("HealthPath", "/v1/models");
        if (!path.StartsWith('/')) section.Error("HealthPath", path, "expected a path that begins with /");
        return new DestinationConfig(
            name,
            url,
            section.Text("ApiKey"),
            path,
            section.Seconds("HealthIntervalSeconds", 10, 0.05, 3600),
            section.Integer("MaxConcurrent", 64, 1, 100_000),
            section.Integer("BreakerFailures", 5, 1, 1000),
            section.Seconds("BreakerPauseSeconds", 15, 0.05, 3600));
    }
}
