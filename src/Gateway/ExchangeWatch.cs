using FinerCut.Gateway.External;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Recording;
using FinerCut.Gateway.Rollout.Trials;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Telemetry;

namespace FinerCut.Gateway;

/// <summary>All who look at exchanges: the recorder, the shadow, the trials, and who unloads what nobody uses.</summary>
public sealed class ExchangeWatch(TrafficRecorder recorder, ShadowTraffic shadow, Trials trials, Residency residency, GenAiTelemetry telemetry, Destinations destinations) : IExchangeObserver
{
    public IAnswerTap? Begin(Exchange exchange, string path, RoutedRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var recording = recorder.For(request.ModelId, path, request);
        var shadowing = shadow.For(exchange, path, request);
        return recording is null ? shadowing : shadowing is null ? recording : new Both(recording, shadowing);
    }

    public void Ended(in ExchangeEnd end, string path, RoutedRequest request)
    {
        residency.Used(end.Upstream.ModelId);
        trials.Saw(end);
        destinations.Saw(end);
        telemetry.Record(end, Operation(path), request.SenderClass);
    }

    private static string Operation(string path) => path switch
    {
        "/v1/chat/completions" or "/v1/messages" or "/v1/responses" => "chat",
        "/v1/completions" => "text_completion",
        "/v1/embeddings" => "embeddings",
        _ => "other",
    };

    private sealed class Both(IAnswerTap one, IAnswerTap other) : IAnswerTap
    {
        public void Append(ReadOnlySpan<byte> bytes)
        {
            one.Append(bytes);
            other.Append(bytes);
        }

        public void Finish(bool whole)
        {
            one.Finish(whole);
            other.Finish(whole);
        }
    }
}
