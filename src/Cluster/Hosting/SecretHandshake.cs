using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Connections;

namespace FinerCut.Cluster.Hosting;

/// <summary>
/// Both ends of a connection between machines prove that they know the cluster's secret before a byte of Orleans passes: each sends 32 random
/// bytes, each answers with an HMAC-SHA256 over both and its own side. The secret itself never travels, and an answer is of no use on another
/// connection. What follows is neither encrypted nor signed: that takes TLS.
/// </summary>
internal sealed class SecretHandshake(string secret, TimeProvider time)
{
    private const int Bytes = 32;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly byte[] _secret = Encoding.UTF8.GetBytes(secret);

    /// <summary>Connection middleware. An unproved connection is closed without a word.</summary>
    /// <param name="isCaller">This end opened the connection.</param>
    public Func<ConnectionDelegate, ConnectionDelegate> Middleware(bool isCaller) => next => async context =>
    {
        if (!await ProveAsync(context.Transport, isCaller, context.ConnectionClosed).ConfigureAwait(false))
        {
            context.Abort(new ConnectionAbortedException("The other end did not prove that it knows the cluster's secret."));
            return;
        }

        await next(context).ConfigureAwait(false);
    };

    /// <summary>False where the other end did not prove itself in time.</summary>
    internal async Task<bool> ProveAsync(IDuplexPipe pipe, bool isCaller, CancellationToken closed)
    {
        using var late = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, closed);
        try
        {
            var mine = RandomNumberGenerator.GetBytes(Bytes);
            await pipe.Output.WriteAsync(mine, either.Token).ConfigureAwait(false);
            var theirs = await ReadAsync(pipe.Input, either.Token).ConfigureAwait(false);
            // Each signs its own side's name, so that no answer can be sent back to whom it came from.
            await pipe.Output.WriteAsync(Sign(isCaller, mine, theirs), either.Token).ConfigureAwait(false);
            var answer = await ReadAsync(pipe.Input, either.Token).ConfigureAwait(false);
            return CryptographicOperations.FixedTimeEquals(answer, Sign(!isCaller, theirs, mine));
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ConnectionResetException or EndOfStreamException)
        {
            return false;
        }
    }

    private byte[] Sign(bool byCaller, byte[] own, byte[] other) => HMACSHA256.HashData(_secret, (byte[])[byCaller ? (byte)1 : (byte)2, .. own, .. other]);

    private static async Task<byte[]> ReadAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        var result = await reader.ReadAtLeastAsync(Bytes, cancellationToken).ConfigureAwait(false);
        if (result.Buffer.Length < Bytes) throw new EndOfStreamException();
        var read = result.Buffer.Slice(0, Bytes);
        var bytes = read.ToArray();
        reader.AdvanceTo(read.End);
        return bytes;
    }
}
