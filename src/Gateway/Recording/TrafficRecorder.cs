using System.Buffers;
using System.Threading.Channels;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Redaction;
using FinerCut.Gateway.Routing;
using Microsoft.Extensions.Logging;

namespace FinerCut.Gateway.Recording;

/// <summary>
/// Copies exchanges off to the reservoir where recording is on. The request's path only copies bytes; parsing and the database are one task's
/// work, behind a bounded queue that drops (and counts) when it is full. Another drops what is past its time to live, also where no more traffic comes.
/// </summary>
public sealed class TrafficRecorder : IAsyncDisposable
{
    private static readonly TimeSpan BetweenExpiries = TimeSpan.FromMinutes(1);

    private readonly LiveConfig _live;
    private readonly RecordingSwitches _switches;
    private readonly RecordingStore _store;
    private readonly Redactor _redactor;
    private readonly ILogger<TrafficRecorder> _logger;
    private readonly Channel<Captured> _queue;
    private readonly Task _writing;
    private readonly PeriodicTimer _expiry;
    private readonly Task _expiring;
    private long _dropped;
    private long _pending;

    public TrafficRecorder(LiveConfig live, RecordingSwitches switches, RecordingStore store, ILogger<TrafficRecorder> logger, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(live);
        (_live, _switches, _store, _logger) = (live, switches, store, logger);
        _redactor = new Redactor(live.Current.Redaction);
        _queue = Channel.CreateBounded<Captured>(new BoundedChannelOptions(256) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
        _writing = Task.Run(WriteAsync);
        _expiry = new PeriodicTimer(BetweenExpiries, time);
        _expiring = Task.Run(ExpireAsync);
    }

    /// <summary>Exchanges that came too fast to be recorded.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Captured, but not yet offered to the store.</summary>
    public long Pending => Interlocked.Read(ref _pending);

    /// <summary>Null where the exchange is not recorded.</summary>
    /// <param name="modelId">Of the route.</param>
    /// <param name="path">Of the request.</param>
    /// <param name="routed">Valid during the request only: what is kept is copied.</param>
    public IAnswerTap? For(string modelId, string path, RoutedRequest routed)
    {
        ArgumentNullException.ThrowIfNull(routed);
        var request = routed.Body;
        if (!routed.MayRecord || !_switches.IsOn(modelId)) return null;
        var isChat = path.Equals("/v1/chat/completions", StringComparison.OrdinalIgnoreCase);
        if (!isChat && !path.Equals("/v1/completions", StringComparison.OrdinalIgnoreCase)) return null;
        var most = _live.Model(modelId).Recording.MaxConversationBytes;
        return request.Bytes.Length > most ? null : new Tap(this, new Captured(modelId, isChat, routed.Sender, request.Bytes.ToArray(), default), most);
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        _expiry.Dispose();
        await Task.WhenAll(_writing, _expiring);
    }

    private void Take(Captured captured)
    {
        Interlocked.Increment(ref _pending);
        if (_queue.Writer.TryWrite(captured)) return;
        Interlocked.Decrement(ref _pending);
        Interlocked.Increment(ref _dropped);
    }

    private async Task WriteAsync()
    {
        await foreach (var captured in _queue.Reader.ReadAllAsync())
        {
            try
            {
                var conversation = ExchangeReader.Read(captured.Request, captured.Answer, captured.IsChat);
                // Asked again: an admin who switched recording off wants nothing recorded from then on.
                if (conversation is not null && _switches.IsOn(captured.ModelId)) _store.Offer(captured.ModelId, ConversationRedaction.Apply(_redactor, conversation), captured.Sender, _live.Model(captured.ModelId).Recording);
            }
            catch (Exception exception)
            {
                // The kind only: a message could quote what was recorded.
                _logger.LogError("An exchange of {Model} could not be recorded ({Kind}).", captured.ModelId, exception.GetType().Name);
            }
            finally
            {
                Interlocked.Decrement(ref _pending);
            }
        }
    }

    private async Task ExpireAsync()
    {
        do
        {
            foreach (var model in _live.Current.Models)
            {
                try
                {
                    _store.Expire(model.Id, model.Recording);
                }
                catch (Exception exception)
                {
                    _logger.LogError("Recordings of {Model} could not be looked through for old ones ({Kind}); tried again in a minute.", model.Id, exception.GetType().Name);
                }
            }
        }
        while (await _expiry.WaitForNextTickAsync());
    }

    private sealed record Captured(string ModelId, bool IsChat, string Sender, byte[] Request, ReadOnlyMemory<byte> Answer);

    private sealed class Tap(TrafficRecorder recorder, Captured captured, int most) : IAnswerTap
    {
        private readonly ArrayBufferWriter<byte> _answer = new();
        private bool _tooLong;

        public void Append(ReadOnlySpan<byte> bytes)
        {
            // Events carry some hundred bytes a token; what is kept is the text, so the raw stream may be larger than the bound.
            _tooLong |= _answer.WrittenCount + bytes.Length > most * 64L;
            if (!_tooLong) _answer.Write(bytes);
        }

        public void Finish(bool whole)
        {
            if (whole && !_tooLong) recorder.Take(captured with { Answer = _answer.WrittenMemory });
        }
    }
}
