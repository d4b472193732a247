using FinerCut.Cluster.Hosting;
using FinerCut.Tests.Processes;
using Microsoft.Extensions.Time.Testing;
using Orleans.Runtime;

namespace FinerCut.Tests.Cluster.Hosting;

public class OwnedStateTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<DateTimeOffset> _asked = [];

    [Fact]
    public async Task The_next_owner_is_asked_what_one_that_has_just_gone_was_asked()
    {
        var failures = new Queue<Exception>([new OrleansException("gone"), new TimeoutException()]);
        var heard = new List<string>();
        var answer = OwnedState.AskAsync(
            async () =>
            {
                await Task.Yield();
                _asked.Add(_time.GetUtcNow());
                return failures.TryDequeue(out var failure) ? throw failure : "done";
            },
            _time,
            TimeSpan.FromMinutes(1),
            failure => heard.Add(failure.GetType().Name),
            TestContext.Current.CancellationToken);
        await UntilAsync(answer);
        Assert.Equal("done", await answer);
        Assert.Equal(3, _asked.Count);
        Assert.Equal([nameof(OrleansException), nameof(TimeoutException)], heard);
    }

    [Fact]
    public async Task After_its_patience_the_failure_is_the_callers()
    {
        var began = _time.GetUtcNow();
        var answer = Ask(new OrleansException("gone"));
        await UntilAsync(answer);
        await Assert.ThrowsAsync<OrleansException>(() => answer);
        Assert.True(_time.GetUtcNow() - began >= TimeSpan.FromMinutes(1));
        Assert.InRange(_asked.Count, 2, 61);
    }

    [Fact]
    public async Task What_the_owner_itself_says_is_no_reason_to_ask_again()
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => Ask(new InvalidDataException()));
        Assert.Single(_asked);
    }

    private Task<string> Ask(Exception failure) => OwnedState.AskAsync<string>(
        async () =>
        {
            await Task.Yield();
            _asked.Add(_time.GetUtcNow());
            throw failure;
        },
        _time,
        TimeSpan.FromMinutes(1),
        unheard: null,
        TestContext.Current.CancellationToken);

    /// <summary>The clock goes on as long as it is waited for.</summary>
    private Task UntilAsync(Task answer) => Eventually.BeAsync(() =>
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        return answer.IsCompleted;
    }, seconds: 60);
}
