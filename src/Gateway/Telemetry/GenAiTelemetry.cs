using System.Diagnostics;
using System.Diagnostics.Metrics;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Telemetry;

/// <summary>
/// Metrics and spans under the names of OpenTelemetry's semantic conventions for generative AI (gen_ai.*, "Generative AI metrics" and "spans"),
/// with the version that answered beside them. Attributes are ids, classes and codes; no prompt, answer, key or address. Thread-safe; a span costs
/// nothing while nobody listens.
/// </summary>
public sealed class GenAiTelemetry : IDisposable
{
    public const string SourceName = "FinerCut.Gateway";

    private readonly Meter _meter = new(GatewayMetrics.MeterName);
    private readonly ActivitySource _source = new(SourceName);
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _perToken;
    private readonly Counter<long> _tokens;
    private readonly TimeProvider _time;

    public GenAiTelemetry(TimeProvider time)
    {
        _time = time;
        _duration = _meter.CreateHistogram<double>("gen_ai.server.request.duration", "s", "Of an attempt at an answer, by version.");
        _firstToken = _meter.CreateHistogram<double>("gen_ai.server.time_to_first_token", "s", "To the first event of a stream, or to a whole answer.");
        _perToken = _meter.CreateHistogram<double>("gen_ai.server.time_per_output_token", "s", "Between the events of a stream.");
        _tokens = _meter.CreateCounter<long>("finercut_tokens", "{token}", "Tokens by version, type and class of key; output of streams that state no usage is counted by events.");
    }

    /// <param name="end">How the attempt ended.</param>
    /// <param name="operation">chat, text_completion or another name of the convention.</param>
    /// <param name="keyClass">Priority class of the key.</param>
    public void Record(in ExchangeEnd end, string operation, string keyClass)
    {
        var tags = new TagList { Tag("gen_ai.operation.name", operation), Tag("gen_ai.provider.name", "finercut"), Tag("gen_ai.request.model", end.Upstream.ModelId), Tag("gen_ai.response.model", end.Upstream.VersionId) };
        if (end.FirstByte is { } first) _firstToken.Record(first.TotalSeconds, tags);
        if (end is { FirstByte: { } begun, Usage.Output: > 1, IsStream: true }) _perToken.Record((end.Duration - begun).TotalSeconds / (end.Usage.Output - 1), tags);
        Count(end, "input", end.Usage.Input, keyClass);
        Count(end, "output", end.Usage.Output, keyClass);
        var error = end.Failure?.ToString() ?? (end.Status >= 400 ? end.Status.ToString(System.Globalization.CultureInfo.InvariantCulture) : null);
        if (error is not null) tags.Add("error.type", error);
        _duration.Record(end.Duration.TotalSeconds, tags);
        Trace(end, operation, error);
    }

    public void Dispose()
    {
        _meter.Dispose();
        _source.Dispose();
    }

    private static KeyValuePair<string, object?> Tag(string name, object? value) => new(name, value);

    private void Count(in ExchangeEnd end, string type, long tokens, string keyClass)
    {
        if (tokens > 0) _tokens.Add(tokens, Tag("model", end.Upstream.ModelId), Tag("version", end.Upstream.VersionId), Tag("type", type), Tag("class", keyClass));
    }

    private void Trace(in ExchangeEnd end, string operation, string? error)
    {
        if (!_source.HasListeners()) return;
        // Made when all is known: nothing of a span is then on the request's path.
        var now = _time.GetUtcNow();
        using var span = _source.StartActivity(ActivityKind.Client, name: $"{operation} {end.Upstream.ModelId}", startTime: now - end.Duration);
        if (span is null) return;
        span.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.provider.name", "finercut").SetTag("gen_ai.request.model", end.Upstream.ModelId).SetTag("gen_ai.response.model", end.Upstream.VersionId);
        if (end.Usage.Input > 0) span.SetTag("gen_ai.usage.input_tokens", end.Usage.Input);
        if (end.Usage.Output > 0) span.SetTag("gen_ai.usage.output_tokens", end.Usage.Output);
        if (end.FirstByte is { } first) span.SetTag("gen_ai.server.time_to_first_token", first.TotalSeconds);
        if (error is not null) span.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error);
        span.SetEndTime(now.UtcDateTime);
    }
}
