using System.Collections.Concurrent;
using System.Threading.Channels;

namespace FinerCut.Gateway.Admin;

/// <summary>One thing that happened, as admins see it.</summary>
/// <param name="Kind">worker, version or job.</param>
/// <param name="Subject">The worker's, model's or job's id.</param>
/// <param name="Data">Serialised as JSON when sent; holds no prompt or answer text.</param>
public sealed record AdminEvent(string Kind, string Subject, object Data);

/// <summary>Hands events to whoever listens now. A listener that is too slow loses the oldest. Thread-safe; publishing never blocks.</summary>
public sealed class EventHub
{
    private readonly ConcurrentDictionary<Channel<AdminEvent>, byte> _listeners = new();

    public void Publish(AdminEvent happened)
    {
        foreach (var listener in _listeners.Keys) listener.Writer.TryWrite(happened);
    }

    public EventSubscription Subscribe()
    {
        var channel = Channel.CreateBounded<AdminEvent>(new BoundedChannelOptions(1024) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        _listeners[channel] = 0;
        return new EventSubscription(channel.Reader, () =>
        {
            _listeners.TryRemove(channel, out _);
            channel.Writer.TryComplete();
        });
    }
}

public sealed class EventSubscription(ChannelReader<AdminEvent> events, Action end) : IDisposable
{
    public ChannelReader<AdminEvent> Events { get; } = events;

    public void Dispose() => end();
}
