using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Routing;

/// <summary>Sees the bytes of an answer go by. Called by one request at a time; must be quick and never throw.</summary>
public interface IAnswerTap
{
    void Append(ReadOnlySpan<byte> bytes);

    /// <summary>The answer is whole (or not: then nothing may be kept).</summary>
    void Finish(bool whole);
}

/// <summary>Told of every attempt at an answer. Must be quick and never throw. Thread-safe.</summary>
public interface IExchangeObserver
{
    /// <summary>A tap on the answer where somebody wants its bytes; null where nobody does.</summary>
    /// <param name="exchange">Its upstream has been entered.</param>
    /// <param name="path">Of the request.</param>
    /// <param name="request">Valid during the request only: copy what is kept.</param>
    IAnswerTap? Begin(Exchange exchange, string path, RoutedRequest request);

    void Ended(in ExchangeEnd end, string path, RoutedRequest request);
}

/// <summary>How one attempt ended.</summary>
/// <param name="Status">Of the answer; 0 where there was none.</param>
/// <param name="Failure">Before or after the first byte; null when all went well.</param>
/// <param name="FirstByte">From the attempt's begin to the first event, or to a whole answer; null where there was none.</param>
/// <param name="ClientGone">The client did not wait for the end.</param>
public readonly record struct ExchangeEnd(Upstream Upstream, int Status, FailureKind? Failure, TimeSpan? FirstByte, TimeSpan Duration, bool ClientGone)
{
    public AnswerUsage Usage { get; init; }

    public bool IsStream { get; init; }
}

/// <summary>One attempt to have one request answered by one upstream; travels from the middleware through YARP to <see cref="AnswerGuard"/>.</summary>
public sealed class Exchange(Upstream upstream, bool isTrial, long began)
{
    public static readonly HttpRequestOptionsKey<Exchange> Option = new("finercut.exchange");

    private Exchange? _answered;
    private int _released;

    public Upstream Upstream { get; } = upstream;

    /// <summary>Of a version on trial: what fails before the first byte goes to the active version.</summary>
    public bool IsTrial { get; } = isTrial;

    /// <summary>Timestamp of the attempt's begin.</summary>
    public long Began { get; } = began;

    /// <summary>Timestamp of the answer's first event, or of the whole answer; 0 until then.</summary>
    public long FirstByteAt { get; set; }

    /// <summary>As far as the answer said, or was counted by events.</summary>
    public AnswerUsage Usage { get; set; }

    public bool IsStream { get; set; }

    public IAnswerTap? Tap { get; set; }

    /// <summary>How it may be asked elsewhere as well; null where it is not.</summary>
    internal HedgePlan? Hedge { get; init; }

    /// <summary>The attempt whose answer is the answer: this one unless it is hedged.</summary>
    public Exchange Answered { get => _answered ?? this; internal set => _answered = value; }

    /// <summary>Given back when the answer has begun; null where the request is no suspect (<see cref="Suspects"/>).</summary>
    internal IDisposable? Turn { get; init; }

    /// <summary>Cancelled when another attempt's answer came first.</summary>
    internal CancellationToken Lost { get; init; }

    /// <summary>The exchange that entered the upstream of this one; null: this one did.</summary>
    internal Exchange? Holder { get; set; }

    /// <summary>Set when an answer broke after its first byte; null when all went well.</summary>
    public FailureKind? Broken { get; set; }

    /// <summary>When the upstream that took no requests said that it will; null where it did not.</summary>
    public TimeSpan? BusyFor { get; set; }

    /// <summary>Leaves the upstream that was entered for it. Once: further calls do nothing.</summary>
    public void Release()
    {
        if (Holder is not null) Holder.Release();
        else if (Interlocked.Exchange(ref _released, 1) == 0) Upstream.Leave();
    }
}
