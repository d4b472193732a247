using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Routing;

public enum FailureKind
{
    /// <summary>No connection: the request never got there.</summary>
    NotSent,

    /// <summary>The upstream answered that it cannot take requests now (502, 503, 504).</summary>
    Busy,

    /// <summary>The connection broke after the request was sent: the upstream died, perhaps of this request.</summary>
    Died,

    /// <summary>No byte of an answer in time.</summary>
    FirstByteTimeout,

    /// <summary>The answer fell silent.</summary>
    IdleTimeout,

    /// <summary>The version's time to drain was over.</summary>
    Retired,

    /// <summary>The gateway is being stopped, and the time to drain was over.</summary>
    Stopped,
}

/// <summary>An upstream that failed a request; thrown through YARP, which reports it back as its forwarder error.</summary>
public sealed class UpstreamFailure(FailureKind kind, Exception? cause = null) : HttpRequestException(kind.ToString(), cause)
{
    public FailureKind Kind { get; } = kind;

    /// <summary>Of a request that no third worker gets: clients that send it again by themselves would end up taking the model from everybody.</summary>
    public static ApiError GivenUp { get; } = ApiError.Server(
        StatusCodes.Status502BadGateway,
        "Two workers died while they had this request and had not begun to answer it: it may be what they died of, and is not sent to a third. If other requests are answered, change this one before you send it again.",
        "worker_died_twice") with { MayRetry = false };

    /// <summary>As clients see it, in an envelope or as the last event of a stream.</summary>
    /// <param name="busyFor">What a busy upstream said itself; a second where it did not.</param>
    public static ApiError ToError(FailureKind kind, TimeSpan? busyFor = null) => kind switch
    {
        FailureKind.NotSent => ApiError.Server(StatusCodes.Status502BadGateway, "The worker could not be reached; try again.", "worker_unreachable"),
        FailureKind.Busy => ApiError.Unavailable("The worker takes no requests at the moment; try again.", "worker_busy", busyFor ?? TimeSpan.FromSeconds(1)),
        FailureKind.Died => ApiError.Server(StatusCodes.Status502BadGateway, "The worker died while it answered; try again.", "worker_died"),
        FailureKind.FirstByteTimeout => ApiError.Server(StatusCodes.Status504GatewayTimeout, "The worker did not begin to answer in time.", "first_byte_timeout"),
        FailureKind.IdleTimeout => ApiError.Server(StatusCodes.Status504GatewayTimeout, "The worker fell silent in the middle of its answer.", "idle_timeout"),
        FailureKind.Retired => ApiError.Server(StatusCodes.Status503ServiceUnavailable, "This version was replaced and its time to finish is over; send the request again.", "version_retired"),
        FailureKind.Stopped => ApiError.Server(StatusCodes.Status503ServiceUnavailable, "This gateway is being stopped and the time to finish is over; send the request again.", "gateway_stopping"),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };
}
