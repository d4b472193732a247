using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FinerCut.GatewayBench;

/// <summary>One kept connection that sends the same request again and again: as cheap as a client can be, since it shares the machine.</summary>
internal sealed class Client : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _request;
    private readonly byte[] _buffer = new byte[64 << 10];

    private Client(Socket socket, byte[] request) => (_socket, _request) = (socket, request);

    /// <param name="address">Of the gateway or of the mock.</param>
    /// <param name="chunks">Of a streamed answer; 0: a whole one.</param>
    public static async Task<Client> ConnectAsync(Uri address, int chunks)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, address.Port));
        var body = $$"""{"model":"m","stream":{{(chunks > 0 ? "true" : "false")}},"max_tokens":{{chunks}},"messages":[{"role":"user","content":"Say hello to the world."}]}""";
        return new Client(socket, Encoding.UTF8.GetBytes(
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{address.Port}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
    }

    /// <summary>An answer that is not streamed; throws unless it is a 200 with a length.</summary>
    public async ValueTask AskAsync()
    {
        await _socket.SendAsync(_request);
        var length = 0;
        while (true)
        {
            length += await ReceiveAsync(length);
            var head = _buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            if (head < 0) continue;
            if (!_buffer.AsSpan(0, length).StartsWith("HTTP/1.1 200"u8)) throw new InvalidOperationException(Encoding.UTF8.GetString(_buffer, 0, length));
            if (length >= head + 4 + Length(_buffer.AsSpan(0, head))) return;
        }
    }

    /// <summary>A streamed answer: milliseconds to its first byte, and of each chunk from the mock's hand to here.</summary>
    public async Task StreamAsync(List<double> firstBytes, List<double> chunks)
    {
        var began = Stopwatch.GetTimestamp();
        await _socket.SendAsync(_request);
        var length = 0;
        var seen = 0;
        var first = true;
        while (true)
        {
            var read = await ReceiveAsync(length);
            var now = Stopwatch.GetTimestamp();
            if (first) firstBytes.Add(Stopwatch.GetElapsedTime(began, now).TotalMilliseconds);
            first = false;
            length += read;
            var text = _buffer.AsSpan(0, length);
            while (text[seen..].IndexOf("data: "u8) is var at and >= 0 && text[(seen + at)..].IndexOf("\n\n"u8) >= 0)
            {
                seen += at + 6;
                if (Utf8Parser.TryParse(text[seen..], out long sent, out _)) chunks.Add(Stopwatch.GetElapsedTime(sent, now).TotalMilliseconds);
            }

            if (text.EndsWith("0\r\n\r\n"u8)) return;
        }
    }

    public void Dispose() => _socket.Dispose();

    private static int Length(ReadOnlySpan<byte> head)
    {
        var at = head.IndexOf("Content-Length: "u8);
        return at >= 0 && Utf8Parser.TryParse(head[(at + 16)..], out int length, out _) ? length : throw new InvalidOperationException("The answer has no length.");
    }

    private async ValueTask<int> ReceiveAsync(int offset)
    {
        var read = await _socket.ReceiveAsync(_buffer.AsMemory(offset));
        return read > 0 ? read : throw new IOException("The connection ended.");
    }
}
