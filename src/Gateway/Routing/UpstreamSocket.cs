using System.Net.Sockets;

namespace FinerCut.Gateway.Routing;

/// <summary>
/// Connections to workers and destinations that notice a machine which fell silent (its power or a cable is gone, nobody says so): within about ten seconds, whether an answer is awaited or
/// a request was sent that nobody acknowledged, instead of a quarter of an hour. A worker that only takes long to answer is not silent: its machine acknowledges.
/// </summary>
internal static class UpstreamSocket
{
    private const int KeepAliveSeconds = 4;
    private const int ProbeSeconds = 2;
    private const int Probes = 3;

    /// <summary>TCP_USER_TIMEOUT (tcp(7)), in milliseconds.</summary>
    private const int UserTimeout = 18;
    private const int Tcp = 6;

    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, ProbeSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
            // What was sent and not acknowledged holds the probes back: that has a time of its own.
            if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(Tcp, UserTimeout, BitConverter.GetBytes((KeepAliveSeconds + (ProbeSeconds * Probes)) * 1000));
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
