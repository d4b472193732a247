using System.Globalization;
using FinerCut.Gateway.Access.Quotas;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>OpenAI's x-ratelimit headers, and the wait to the millisecond beside Retry-After's whole seconds.</summary>
internal static class RateLimitHeaders
{
    /// <summary>Sets them when the response starts, over whatever an upstream said of its own limits.</summary>
    public static void Attach(HttpResponse response, QuotaView? view, TimeSpan? retryAfter, bool mayRetry)
    {
        response.OnStarting(() =>
        {
            Write(response.Headers, "requests", view?.Requests);
            Write(response.Headers, "tokens", view?.Tokens);
            if (retryAfter is { } wait) response.Headers["retry-after-ms"] = Math.Ceiling(wait.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
            if (!mayRetry) response.Headers["x-should-retry"] = "false";
            return Task.CompletedTask;
        });
    }

    /// <summary>As OpenAI writes durations: 350ms, 1.5s, 2m3s, 1h2m3s.</summary>
    public static string Duration(TimeSpan span)
    {
        if (span < TimeSpan.FromSeconds(1)) return $"{Math.Ceiling(span.TotalMilliseconds)}ms";
        var seconds = (span.TotalSeconds % 60).ToString("0.###", CultureInfo.InvariantCulture) + "s";
        return span.TotalHours >= 1 ? $"{(int)span.TotalHours}h{span.Minutes}m{seconds}" : span.TotalMinutes >= 1 ? $"{span.Minutes}m{seconds}" : seconds;
    }

    private static void Write(IHeaderDictionary headers, string what, QuotaGauge? gauge)
    {
        headers.Remove("x-ratelimit-limit-" + what);
        headers.Remove("x-ratelimit-remaining-" + what);
        headers.Remove("x-ratelimit-reset-" + what);
        if (gauge?.Limit is not { } limit) return;
        headers["x-ratelimit-limit-" + what] = limit.ToString(CultureInfo.InvariantCulture);
        headers["x-ratelimit-remaining-" + what] = gauge.Remaining.ToString(CultureInfo.InvariantCulture);
        headers["x-ratelimit-reset-" + what] = Duration(gauge.Reset);
    }
}
