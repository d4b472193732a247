using System.Text;
using System.Threading.Channels;
using CsCheck;
using FinerCut.Gateway.Routing;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Routing;

public class EventStreamTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void However_the_bytes_come_they_pass_untouched()
    {
        Gen.Select(Gen.String[Gen.Char["ab\r\n:"], 0, 40].List[0, 20], Gen.Int[1, 50]).Sample((pieces, size) =>
        {
            var source = new Pieces(pieces.Where(piece => piece.Length > 0));
            source.End();
            Assert.Equal(string.Concat(pieces), ReadAllAsync(Open(source), size).GetAwaiter().GetResult());
        }, iter: 300);
    }

    [Fact]
    public async Task An_event_is_passed_on_when_it_is_whole()
    {
        var source = new Pieces(["data: 1\n\ndata: 2"]);
        await using var stream = Open(source);
        var buffer = new byte[100];
        Assert.Equal("data: 1\n\n", Text(buffer, await stream.ReadAsync(buffer)));
        var next = stream.ReadAsync(buffer).AsTask();
        Assert.False(next.IsCompleted);
        source.Add("\n\n");
        Assert.Equal("data: 2\n\n", Text(buffer, await next));
    }

    [Theory]
    [InlineData("data: 1\n\n", "data: 1\n\n")]
    [InlineData("data: 1\n\ndata: {\"half", "data: 1\n\n")]
    public async Task A_break_ends_with_a_typed_event_after_the_last_whole_one(string sent, string passed)
    {
        var source = new Pieces([sent]);
        source.End(new IOException("gone"));
        var exchange = Exchange();
        var all = await ReadAllAsync(Open(source, exchange), 100);
        Assert.StartsWith(passed + "data: {\"error\":{\"message\":", all, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"server_error\"", all, StringComparison.Ordinal);
        Assert.EndsWith("\"code\":\"worker_died\"}}\n\n", all, StringComparison.Ordinal);
        Assert.Equal(FailureKind.Died, exchange.Broken);
    }

    [Fact]
    public async Task An_event_too_long_to_hold_is_closed_before_the_error()
    {
        var source = new Pieces([new string('x', 100_000)]);
        source.End(new IOException("gone"));
        var all = await ReadAllAsync(Open(source), 4096);
        Assert.Contains("x\n\ndata: {\"error\"", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silence_ends_the_stream_with_its_own_code()
    {
        var source = new Pieces(["data: 1\n\n"]);
        await using var stream = Open(source);
        var reading = ReadAllAsync(stream, 100);
        while (!reading.IsCompleted)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        Assert.Contains("\"code\":\"idle_timeout\"", await reading, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_goes_is_no_break()
    {
        using var client = new CancellationTokenSource();
        var exchange = Exchange();
        await using var stream = new EventStream(new Pieces([]), exchange, TimeSpan.FromMinutes(1), _time, client.Token);
        var reading = stream.ReadAsync(new byte[10], client.Token).AsTask();
        await client.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Null(exchange.Broken);
    }

    private static Exchange Exchange() => new(new Upstream("u", "m", "v", "http://x", null), false, 0);

    private EventStream Open(Stream source, Exchange? exchange = null) => new(source, exchange ?? Exchange(), TimeSpan.FromMinutes(1), _time, CancellationToken.None);

    private static async Task<string> ReadAllAsync(Stream stream, int size)
    {
        var all = new MemoryStream();
        var buffer = new byte[size];
        int read;
        while ((read = await stream.ReadAsync(buffer)) > 0) all.Write(buffer, 0, read);
        return Encoding.UTF8.GetString(all.ToArray());
    }

    private static string Text(byte[] buffer, int count) => Encoding.UTF8.GetString(buffer, 0, count);

    /// <summary>A source whose reads give the pieces as they were added.</summary>
    private sealed class Pieces(IEnumerable<string> pieces) : MemoryStream
    {
        private readonly Channel<byte[]> _pieces = Fill(pieces);
        private byte[] _rest = [];

        public void Add(string piece) => _pieces.Writer.TryWrite(Encoding.UTF8.GetBytes(piece));

        public void End(Exception? fault = null) => _pieces.Writer.Complete(fault);

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_rest.Length == 0)
            {
                try
                {
                    _rest = await _pieces.Reader.ReadAsync(cancellationToken);
                }
                catch (ChannelClosedException closed)
                {
                    return closed.InnerException is null ? 0 : throw closed.InnerException;
                }
            }

            var count = Math.Min(buffer.Length, _rest.Length);
            _rest.AsSpan(0, count).CopyTo(buffer.Span);
            _rest = _rest[count..];
            return count;
        }

        private static Channel<byte[]> Fill(IEnumerable<string> pieces)
        {
            var channel = Channel.CreateUnbounded<byte[]>();
            foreach (var piece in pieces) channel.Writer.TryWrite(Encoding.UTF8.GetBytes(piece));
            return channel;
        }
    }
}
