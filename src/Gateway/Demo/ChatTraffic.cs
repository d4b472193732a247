using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace FinerCut.Gateway.Demo;

/// <summary>Counts of finished requests. Sent = Answered + Failed + Cut + Mixed.</summary>
/// <param name="Versions">Answers by version.</param>
public sealed record TrafficTally(int Answered, int Failed, int Cut, int Mixed, int Tokens, ImmutableSortedDictionary<string, int> Versions, ImmutableArray<string> Problems)
{
    public int Sent => Answered + Failed + Cut + Mixed;

    public bool Lossless => Sent > 0 && Answered == Sent;
}

/// <summary>Keeps a number of streams open at once: each takes the next prompt as soon as its last answer has ended.</summary>
public static class ChatTraffic
{
    /// <summary>Sends every prompt once, <paramref name="streams"/> at a time.</summary>
    /// <param name="done">Told the number of finished requests, from any thread.</param>
    public static Task<TrafficTally> SendAllAsync(ChatClient client, ImmutableArray<DemoPrompt> prompts, int streams, int maxTokens, Action<int> done, CancellationToken cancellationToken) =>
        RunAsync(client, prompts, new Load(streams, maxTokens, prompts.Length, CancellationToken.None), done, cancellationToken);

    /// <summary>Sends prompts round and round until <paramref name="enough"/>, then lets the open streams end by themselves.</summary>
    public static Task<TrafficTally> SendUntilAsync(ChatClient client, ImmutableArray<DemoPrompt> prompts, int streams, int maxTokens, Action<int> done, CancellationToken enough, CancellationToken cancellationToken) =>
        RunAsync(client, prompts, new Load(streams, maxTokens, int.MaxValue, enough), done, cancellationToken);

    private static async Task<TrafficTally> RunAsync(ChatClient client, ImmutableArray<DemoPrompt> prompts, Load load, Action<int> done, CancellationToken cancellationToken)
    {
        var outcomes = new ConcurrentBag<ChatOutcome>();
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, load.Streams).Select(async _ =>
        {
            while (!load.Enough.IsCancellationRequested && Interlocked.Increment(ref next) is var index && index < load.Requests)
            {
                outcomes.Add(await client.StreamAsync(prompts[index % prompts.Length], load.MaxTokens, cancellationToken).ConfigureAwait(false));
                done(outcomes.Count);
            }
        })).ConfigureAwait(false);
        int Count(ChatFate fate) => outcomes.Count(outcome => outcome.Fate == fate);
        return new TrafficTally(
            Count(ChatFate.Answered), Count(ChatFate.Failed), Count(ChatFate.Cut), Count(ChatFate.Mixed), outcomes.Sum(outcome => outcome.Tokens),
            outcomes.Where(outcome => outcome.Version is not null).GroupBy(outcome => outcome.Version!).ToImmutableSortedDictionary(group => group.Key, group => group.Count()),
            [.. outcomes.Select(outcome => outcome.Problem).OfType<string>().Distinct().Order()]);
    }

    private sealed record Load(int Streams, int MaxTokens, int Requests, CancellationToken Enough);
}
