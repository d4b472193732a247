using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Threading.Channels;
using FinerCut.Gateway.Access.Queueing;
using FinerCut.Gateway.Recording;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Telemetry;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>
/// Sends copies of answered requests to the version on trial and compares its answers with those that clients got. Never in a client's way: the
/// request's path copies bytes, one task sends, one copy at a time; a copy is dropped (and counted) when the task is behind or clients wait for
/// the model. Copies pass no quota and are charged to nobody. Texts live in memory only, until they are compared.
/// </summary>
public sealed class ShadowTraffic : IAsyncDisposable
{
    private const int MostBytes = 256 << 10;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    private readonly RouteOwner _routes;
    private readonly ModelQueues _queues;
    private readonly Trials _trials;
    private readonly GatewayMetrics _metrics;
    private readonly ILogger<ShadowTraffic> _logger;
    private readonly TimeProvider _time;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) }) { Timeout = Longest };
    private readonly Channel<Copy> _copies = Channel.CreateBounded<Copy>(new BoundedChannelOptions(16) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _sending;

    public ShadowTraffic(RouteOwner routes, ModelQueues queues, Trials trials, GatewayMetrics metrics, ILogger<ShadowTraffic> logger, TimeProvider time)
    {
        (_routes, _queues, _trials, _metrics, _logger, _time) = (routes, queues, trials, metrics, logger, time);
        _sending = Task.Run(SendAsync);
    }

    /// <summary>Null where the exchange is not copied.</summary>
    public IAnswerTap? For(Exchange exchange, string path, RoutedRequest request)
    {
        ArgumentNullException.ThrowIfNull(exchange);
        ArgumentNullException.ThrowIfNull(request);
        if (exchange.IsTrial || _trials.Find(request.ModelId) is not { } trial) return null;
        var isChat = path.Equals("/v1/chat/completions", StringComparison.OrdinalIgnoreCase);
        if ((!isChat && !path.Equals("/v1/completions", StringComparison.OrdinalIgnoreCase)) || request.Body.Bytes.Length > MostBytes || !trial.TakesShadow()) return null;
        return new Tap(this, new Copy(request.ModelId, trial.VersionId, path, isChat, request.Body.Bytes.ToArray(), exchange.Began));
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested) return;
        await _stopping.CancelAsync();
        _copies.Writer.TryComplete();
        await _sending;
        _client.Dispose();
        _stopping.Dispose();
    }

    private void Take(Copy copy)
    {
        if (!_copies.Writer.TryWrite(copy)) _metrics.Shadowed(copy.ModelId, copy.VersionId, "dropped");
    }

    private async Task SendAsync()
    {
        try
        {
            await foreach (var copy in _copies.Reader.ReadAllAsync(_stopping.Token))
            {
                try
                {
                    _metrics.Shadowed(copy.ModelId, copy.VersionId, await SendAsync(copy));
                }
                catch (Exception exception) when (!_stopping.IsCancellationRequested)
                {
                    // The kind only: a message could quote the request.
                    _logger.LogWarning("A copy for {Model}/{Version} failed unexpectedly ({Kind}).", copy.ModelId, copy.VersionId, exception.GetType().Name);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }

    /// <returns>What became of it, a label.</returns>
    private async Task<string> SendAsync(Copy copy)
    {
        if (_queues.Of(copy.ModelId).Waiting > 0) return "dropped";
        if (_trials.Find(copy.ModelId) is not { } trial || trial.VersionId != copy.VersionId) return "dropped";
        if (ExchangeReader.Read(copy.Request, copy.Answer, copy.IsChat)?.Answer is not { } expected) return "not_comparable";
        if (!_routes.Current.Models.TryGetValue(copy.ModelId, out var route) || route.Trial?.Upstreams.FirstOrDefault(upstream => upstream.TryEnter()) is not { } upstream) return "dropped";
        try
        {
            var began = _time.GetTimestamp();
            var answer = await AskAsync(copy, upstream);
            var text = answer is null ? null : ExchangeReader.Read(copy.Request, answer, copy.IsChat)?.Answer;
            var agreement = text is null ? 0 : Agreement.Of(expected, text);
            trial.Compared(agreement);
            _metrics.Compared(copy.ModelId, copy.VersionId, agreement, _time.GetElapsedTime(began) / copy.Took);
            return text is null ? "failed" : "compared";
        }
        catch (OperationCanceledException) when (upstream.Ended.IsCancellationRequested)
        {
            return "dropped";
        }
        finally
        {
            upstream.Leave();
        }
    }

    /// <summary>Null where there was no answer.</summary>
    private async Task<byte[]?> AskAsync(Copy copy, Upstream upstream)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, upstream.Ended);
        using var request = new HttpRequestMessage(HttpMethod.Post, upstream.Url + copy.Path) { Content = new ByteArrayContent(copy.Request) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (upstream.Key is { } key) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        try
        {
            // Two answers are read and compared next, and the next copy's original.
            using var response = await _client.SendAsync(request, either.Token).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsByteArrayAsync(either.Token) : null;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException || (exception is OperationCanceledException && !either.IsCancellationRequested))
        {
            return null;
        }
    }

    private sealed record Copy(string ModelId, string VersionId, string Path, bool IsChat, byte[] Request, long Began)
    {
        public ReadOnlyMemory<byte> Answer { get; init; }

        public TimeSpan Took { get; init; }
    }

    private sealed class Tap(ShadowTraffic shadow, Copy copy) : IAnswerTap
    {
        private readonly ArrayBufferWriter<byte> _answer = new();

        public void Append(ReadOnlySpan<byte> bytes)
        {
            if (_answer.WrittenCount <= MostBytes * 16) _answer.Write(bytes);
        }

        public void Finish(bool whole)
        {
            if (whole && _answer.WrittenCount <= MostBytes * 16) shadow.Take(copy with { Answer = _answer.WrittenMemory, Took = shadow._time.GetElapsedTime(copy.Began) });
        }
    }
}
