using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Routing;

/// <summary>Sees the bytes of an answer go by. Called by one request at a time; must be quick and never throw.</summary>
public interface IAnswerTap
{
    void Append(ReadOnlySpan<byte> bytes);

    /// <summary>The answer is whole (or not: then nothing may be kept).</summary>
    void Finish(bool whole);
}

/// <summary>One attempt to have one request answered by one upstream; travels from the middleware through YARP to <see cref="AnswerGuard"/>.</summary>
public sealed class Exchange(Upstream upstream, IAnswerTap? tap)
{
    public static readonly HttpRequestOptionsKey<Exchange> Option = new("finercut.exchange");

    public Upstream Upstream { get; } = upstream;

    public IAnswerTap? Tap { get; } = tap;

    /// <summary>Set when an answer broke after its first byte; null when all went well.</summary>
    public FailureKind? Broken { get; set; }
}
