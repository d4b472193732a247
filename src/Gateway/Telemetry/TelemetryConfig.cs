using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Telemetry;

public enum OtlpProtocol
{
    Grpc,
    HttpProtobuf,
}

/// <summary>Where metrics and spans are sent to as well, in OpenTelemetry's protocol.</summary>
/// <param name="Endpoint">Base address of a collector; null: nothing is sent.</param>
/// <param name="Headers">As name=value pairs with commas between them; secret.</param>
/// <param name="Interval">Between two sendings.</param>
/// <param name="TraceShare">Of the requests that get a span, 0 to 1.</param>
public sealed record OtlpConfig(Uri? Endpoint, OtlpProtocol Protocol, string? Headers, TimeSpan Interval, double TraceShare)
{
    public static OtlpConfig Off { get; } = new(null, OtlpProtocol.Grpc, null, TimeSpan.FromSeconds(15), 1);

    /// <summary>Leaves the headers out: records print all their members.</summary>
    public override string ToString() => $"{Endpoint} {Protocol}";

    internal static OtlpConfig Read(SectionReader section)
    {
        var text = section.Text("Endpoint");
        Uri? endpoint = null;
        if (text is not null && (!Uri.TryCreate(text, UriKind.Absolute, out endpoint) || endpoint.Scheme is not ("http" or "https") || endpoint.Query.Length > 0 || endpoint.UserInfo.Length > 0))
        {
            section.Error("Endpoint", text, "expected a base address such as http://collector:4317, without user, password or query");
            endpoint = null;
        }

        var headers = section.Text("Headers");
        if (headers is not null && headers.Split(',').Any(pair => pair.IndexOf('=', StringComparison.Ordinal) < 1)) section.Error("Headers", null, "expected name=value pairs with commas between them (the value is not shown)");
        return new OtlpConfig(
            endpoint,
            section.Word("Protocol", Off.Protocol),
            headers,
            section.Seconds("IntervalSeconds", Off.Interval.TotalSeconds, 0.1, 3600),
            section.Number("TraceShare", Off.TraceShare, 0, 1));
    }
}
