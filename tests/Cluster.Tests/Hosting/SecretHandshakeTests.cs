using System.Buffers;
using System.IO.Pipelines;
using FinerCut.Cluster.Hosting;

namespace FinerCut.Tests.Cluster;

public class SecretHandshakeTests
{
    private const string Secret = "0123456789012345678901234567890123";

    [Fact]
    public async Task Both_ends_with_the_secret_hold_and_nothing_of_what_follows_is_eaten()
    {
        var (caller, called) = Pair();
        var proofs = await Task.WhenAll(new SecretHandshake(Secret, TimeProvider.System).ProveAsync(caller, true, default), new SecretHandshake(Secret, TimeProvider.System).ProveAsync(called, false, default));
        Assert.Equal([true, true], proofs);
        await caller.Output.WriteAsync("and on"u8.ToArray());
        Assert.Equal("and on"u8.ToArray(), (await called.Input.ReadAsync()).Buffer.ToArray());
    }

    [Fact]
    public async Task Another_secret_holds_at_neither_end()
    {
        var (caller, called) = Pair();
        var proofs = await Task.WhenAll(new SecretHandshake(Secret, TimeProvider.System).ProveAsync(caller, true, default), new SecretHandshake(Secret + "!", TimeProvider.System).ProveAsync(called, false, default));
        Assert.Equal([false, false], proofs);
    }

    [Fact]
    public async Task Who_sends_back_what_he_hears_proves_nothing()
    {
        var echo = new Pipe();
        Assert.False(await new SecretHandshake(Secret, TimeProvider.System).ProveAsync(new Duplex(echo.Reader, echo.Writer), true, default));
    }

    [Fact]
    public async Task Who_says_too_little_is_refused()
    {
        var (caller, called) = Pair();
        await called.Output.WriteAsync(new byte[10]);
        await called.Output.CompleteAsync();
        Assert.False(await new SecretHandshake(Secret, TimeProvider.System).ProveAsync(caller, true, default));
    }

    private static (IDuplexPipe Caller, IDuplexPipe Called) Pair()
    {
        var (there, back) = (new Pipe(), new Pipe());
        return (new Duplex(back.Reader, there.Writer), new Duplex(there.Reader, back.Writer));
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
