using System.Diagnostics.Metrics;
using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Telemetry;

namespace FinerCut.Gateway.Access;

/// <summary>Instruments of access; labels are codes and classes, never keys. Thread-safe.</summary>
public sealed class AccessMetrics : IDisposable
{
    private readonly Meter _meter = new(GatewayMetrics.MeterName);
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _waited;
    private readonly Counter<long> _tokens;

    public AccessMetrics()
    {
        _refused = _meter.CreateCounter<long>("finercut_access_refused", description: "Requests refused for want of a key, a scope, a quota or a place, by code.");
        _waited = _meter.CreateHistogram<double>("finercut_queue_seconds", "s", "Time in the fair queue, by model and priority class.");
        _tokens = _meter.CreateCounter<long>("finercut_charged_tokens", description: "Tokens charged to keys with limits, by model and priority class.");
    }

    public void Refused(string code) => _refused.Add(1, new KeyValuePair<string, object?>("code", code));

    public void Waited(string modelId, PriorityClass priority, TimeSpan waited) =>
        _waited.Record(waited.TotalSeconds, new KeyValuePair<string, object?>("model", modelId), new KeyValuePair<string, object?>("class", priority.ToString()));

    public void Charged(string modelId, PriorityClass priority, long tokens) =>
        _tokens.Add(tokens, new KeyValuePair<string, object?>("model", modelId), new KeyValuePair<string, object?>("class", priority.ToString()));

    public void Dispose() => _meter.Dispose();
}
