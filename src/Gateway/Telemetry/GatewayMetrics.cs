using System.Diagnostics;
using System.Diagnostics.Metrics;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Telemetry;

/// <summary>Instruments of this program; labels are ids and codes, never text of prompts or answers. Thread-safe.</summary>
public sealed class GatewayMetrics : IDisposable
{
    public const string MeterName = "FinerCut.Gateway";

    private readonly Meter _meter = new(MeterName);
    private readonly TimeProvider _time;
    private readonly Counter<long> _requests;
    private readonly UpDownCounter<long> _inFlight;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _attemptsFailed;
    private readonly Counter<long> _answersBroken;
    private readonly Counter<long> _hedges;
    private readonly Counter<long> _transitions;
    private readonly Histogram<double> _loads;
    private readonly Counter<long> _shadowed;
    private readonly Histogram<double> _agreement;
    private readonly Histogram<double> _shadowLatency;

    public GatewayMetrics(TimeProvider time)
    {
        _time = time;
        _requests = _meter.CreateCounter<long>("finercut_requests", description: "Requests by model and status.");
        _inFlight = _meter.CreateUpDownCounter<long>("finercut_requests_in_flight", description: "Requests being answered, by model.");
        _duration = _meter.CreateHistogram<double>("finercut_request_seconds", "s", "From the whole request to the end of its answer.");
        _attemptsFailed = _meter.CreateCounter<long>("finercut_attempts_failed", description: "Attempts that failed before the first byte, by kind.");
        _answersBroken = _meter.CreateCounter<long>("finercut_answers_broken", description: "Answers that broke after the first byte, by kind.");
        _hedges = _meter.CreateCounter<long>("finercut_hedges", description: "Requests that were sent to a second destination before the first had begun to answer.");
        _transitions = _meter.CreateCounter<long>("finercut_transitions", description: "State changes of workers, versions and jobs.");
        _loads = _meter.CreateHistogram<double>("finercut_load_seconds", "s", "From a worker's start to its first healthy answer, by version.");
        _shadowed = _meter.CreateCounter<long>("finercut_shadow_requests", description: "Copies of requests for versions on trial, by what became of them.");
        _agreement = _meter.CreateHistogram<double>("finercut_shadow_agreement", description: "Agreement of copied requests' answers with the originals', 0 to 1.");
        _shadowLatency = _meter.CreateHistogram<double>("finercut_shadow_latency_ratio", description: "Time of a copied request's answer over the original's.");
    }

    /// <param name="outcome">compared, failed, not_comparable or dropped.</param>
    public void Shadowed(string modelId, string versionId, string outcome) => _shadowed.Add(1, Tag("model", modelId), Tag("version", versionId), Tag("outcome", outcome));

    /// <param name="latencyRatio">The copy's whole answer against the original's.</param>
    public void Compared(string modelId, string versionId, double agreement, double latencyRatio)
    {
        _agreement.Record(agreement, Tag("model", modelId), Tag("version", versionId));
        _shadowLatency.Record(latencyRatio, Tag("model", modelId), Tag("version", versionId));
    }

    public Measure Begin(string modelId)
    {
        _inFlight.Add(1, Tag("model", modelId));
        return new Measure(this, modelId, _time.GetTimestamp());
    }

    public void AttemptFailed(string modelId, FailureKind kind) => _attemptsFailed.Add(1, Tag("model", modelId), Tag("kind", kind.ToString()));

    public void AnswerBroken(string modelId, FailureKind kind) => _answersBroken.Add(1, Tag("model", modelId), Tag("kind", kind.ToString()));

    public void Loaded(string modelId, string versionId, TimeSpan took) => _loads.Record(took.TotalSeconds, Tag("model", modelId), Tag("version", versionId));

    public void Hedged(string modelId) => _hedges.Add(1, Tag("model", modelId));

    /// <param name="kind">worker, version or job.</param>
    public void Transition(string kind, string modelId, string state) =>
        _transitions.Add(1, Tag("kind", kind), Tag("model", modelId), Tag("state", state));

    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    /// <summary>One request under way; ends once, at the latest when disposed.</summary>
    public sealed class Measure(GatewayMetrics metrics, string modelId, long began) : IDisposable
    {
        private bool _ended;

        public void End(int status)
        {
            if (_ended) return;
            _ended = true;
            var tags = new TagList { Tag("model", modelId), Tag("status", status.ToString()) };
            metrics._requests.Add(1, tags);
            metrics._duration.Record(metrics._time.GetElapsedTime(began).TotalSeconds, tags);
        }

        public void Dispose()
        {
            End(499);
            metrics._inFlight.Add(-1, Tag("model", modelId));
        }
    }
}
