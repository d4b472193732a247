using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Tests.Batching;

public class BatchLoopTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task AnswersFollowFromEveryTokenOfTheirPrompt()
    {
        var session = new FakeSession(4096, 8);
        using var loop = Start(session);
        Assert.Equal(Expected(session, Prompt(1, 50), 20), await RunAsync(loop, Request(Prompt(1, 50), 20)));
    }

    [Fact]
    public async Task RandomLoadGivesTheSameTextsAsAloneWhateverIsSharedEvictedOrPreempted()
    {
        const int seed = 11;
        var random = new Random(seed);
        var preempted = false;
        for (var round = 0; round < 30; round++)
        {
            var cells = random.Next(150, 600);
            var session = new FakeSession(cells, 8);
            var meters = new WorkerMeters();
            var store = new SequenceStore(session, 8, cells, new MemoryTraits(true));
            using var loop = Start(session, store, meters, limit: cells);
            var prompts = Enumerable.Range(0, 24).Select(_ => Shared(random, random.Next(1, 100))).ToArray();
            var answers = await Task.WhenAll(prompts.Select(prompt => RunAsync(loop, Request(prompt, random.Next(1, 60)))));
            for (var i = 0; i < prompts.Length; i++)
                Assert.True(Expected(session, prompts[i], answers[i].Count(c => c == ' ')) == answers[i], $"seed {seed}, round {round}, request {i}");
            Assert.Equal(session.UsedCells, store.UsedCells);
            preempted |= meters.ToPrometheus().Contains("preemptions_total ", StringComparison.Ordinal)
                && !meters.ToPrometheus().Contains("preemptions_total 0", StringComparison.Ordinal);
        }

        Assert.True(preempted, "the load never forced a preemption, so the test proves less than it should");
    }

    [Fact]
    public async Task ACommonBeginningIsComputedOnceForConcurrentRequestsToo()
    {
        var session = new FakeSession(4096, 16);
        using var gate = new ManualResetEventSlim();
        session.OnDecode = _ => gate.Wait(Patience);
        using var loop = Start(session);
        var system = Prompt(5, 400);
        var tasks = Enumerable.Range(0, 8).Select(i => RunAsync(loop, Request([.. system, .. Prompt(100 + i, 10)], 4))).ToArray();
        gate.Set();
        var answers = await Task.WhenAll(tasks);
        for (var i = 0; i < 8; i++) Assert.Equal(Expected(session, [.. system, .. Prompt(100 + i, 10)], 4), answers[i]);
        Assert.InRange(session.ComputedTokens, 400, 400 + 8 * 14 + 16);
    }

    [Fact]
    public async Task ALaterPromptReusesWhatItsConversationHasComputed()
    {
        var session = new FakeSession(4096, 8);
        using var loop = Start(session);
        var prompt = Prompt(1, 100);
        await RunAsync(loop, Request(prompt, 10));
        var before = session.ComputedTokens;
        var end = await EndAsync(loop, Request([.. prompt, .. Prompt(2, 20)], 1));
        Assert.Equal(100, end.Figures.CachedTokens);
        Assert.Equal(20, session.ComputedTokens - before);
    }

    [Fact]
    public async Task ADecodeNeverWaitsForMoreThanOneChunk()
    {
        var session = new FakeSession(8192, 8);
        using var gate = new ManualResetEventSlim();
        session.OnDecode = _ => gate.Wait(Patience);
        using var loop = Start(session);
        var first = new Generation(Request(Prompt(1, 4), 300), new OutboxSignal());
        Assert.True(loop.TryEnter([first], out _));
        var second = RunAsync(loop, Request(Prompt(2, 2000), 1));
        // Not before: on a busy machine the first would be done when the second comes, and then nobody waits.
        gate.Set();
        await second;
        Assert.All(session.BatchSizes.Skip(2).SkipLast(1), size => Assert.InRange(size, 1, 1 + 128 + 1));
        first.Cancel();
    }

    [Fact]
    public async Task CancellingFreesTheSequenceBeforeTheNextToken()
    {
        var session = new FakeSession(4096, 8);
        var signal = new OutboxSignal();
        var generation = new Generation(Request(Prompt(1, 4), 100_000), signal);
        var cancelledAt = -1;
        session.OnDecode = _ =>
        {
            if (session.BatchSizes.Count != 10) return;
            generation.Cancel();
            cancelledAt = session.BatchSizes.Count;
        };
        using var loop = Start(session);
        Assert.True(loop.TryEnter([generation], out _));
        var end = await ReadAsync(generation, signal, new StringBuilder());
        Assert.Equal(FinishKind.Cancelled, end.Kind);
        Assert.Equal(cancelledAt + 1, session.BatchSizes.Count);
        await Eventually(() => loop.Unfinished == 0);
    }

    [Fact]
    public async Task AFullQueueRefuses()
    {
        var session = new FakeSession(4096, 8);
        using var gate = new ManualResetEventSlim();
        session.OnDecode = _ => gate.Wait(Patience);
        using var loop = Start(session, parallel: 2, queue: 3);
        var running = Enumerable.Range(0, 5).Select(i => RunAsync(loop, Request(Prompt(i, 4), 2))).ToArray();
        Assert.False(loop.TryEnter([new Generation(Request(Prompt(9, 4), 2), new OutboxSignal())], out var ahead));
        Assert.Equal(5, ahead);
        gate.Set();
        await Task.WhenAll(running);
        await Eventually(() => loop.Unfinished == 0);
        await RunAsync(loop, Request(Prompt(9, 4), 2));
    }

    [Fact]
    public async Task AnAnswerEndsWhereTheContextDoes()
    {
        var session = new FakeSession(64, 4);
        using var loop = Start(session, limit: 64);
        var end = await EndAsync(loop, Request(Prompt(1, 60), null));
        Assert.Equal(FinishKind.Length, end.Kind);
        Assert.Equal(4, end.Figures.CompletionTokens);
    }

    [Fact]
    public async Task AFailedDecodeEndsItsRequestsAndNothingElse()
    {
        var session = new FakeSession(4096, 8);
        var failed = false;
        session.OnDecode = batch =>
        {
            if (failed || !batch.Tokens.Contains(666)) return;
            failed = true;
            throw new LlamaException(LlamaErrorCode.DecodeFailed, "native code -3");
        };
        using var loop = Start(session);
        var end = await EndAsync(loop, Request([666, 1, 2], 5));
        Assert.Equal(FinishKind.Failed, end.Kind);
        Assert.Equal("decode_failed", end.Failure!.Code);
        Assert.Equal(Expected(session, Prompt(3, 9), 5), await RunAsync(loop, Request(Prompt(3, 9), 5)));
    }

    [Fact]
    public async Task ABrokenLoopEndsEveryRequestAndFaults()
    {
        var session = new FakeSession(4096, 8) { OnDecode = _ => throw new InvalidOperationException("bug") };
        using var loop = Start(session);
        var end = await EndAsync(loop, Request(Prompt(1, 3), 5));
        Assert.Equal("engine_failed", end.Failure!.Code);
        await Assert.ThrowsAsync<InvalidOperationException>(() => loop.Completion.WaitAsync(Patience));
        Assert.False(loop.TryEnter([new Generation(Request(Prompt(1, 3), 5), new OutboxSignal())], out _));
        Assert.True(session.IsDisposed);
    }

    [Fact]
    public async Task ABadGrammarIsTheRequestsFault()
    {
        using var loop = Start(new FakeSession(4096, 8));
        var end = await EndAsync(loop, Request(Prompt(1, 3), 5) with { Sampling = new SamplerOptions { Grammar = "root ::= (" } });
        Assert.True(end.Failure is { IsRequestFault: true, Code: "invalid_grammar" });
    }

    [Fact]
    public async Task StoppingEndsWhatIsLeftWithAnError()
    {
        var session = new FakeSession(1 << 20, 8);
        using var loop = Start(session, limit: 1 << 20);
        var task = EndAsync(loop, Request(Prompt(1, 3), null));
        await Eventually(() => session.BatchSizes.Count > 3);
        await loop.StopAsync();
        Assert.Equal("shutting_down", (await task).Failure!.Code);
    }

    private static BatchLoop Start(FakeSession session, SequenceStore? store = null, WorkerMeters? meters = null, int parallel = 6, int queue = 100, int limit = 4096)
    {
        store ??= new SequenceStore(session, session.Info.MaxSequences, session.Info.ContextLength, new MemoryTraits(true));
        var config = new BatchConfig { Parallel = parallel, QueueCapacity = queue, ContextLimit = limit, Step = new StepLimits(512, 128) };
        var loop = new BatchLoop(new BatchContext(session, session, store), config, meters ?? new WorkerMeters(), TimeProvider.System);
        loop.Start();
        return loop;
    }

    private static GenerationRequest Request(ImmutableArray<int> prompt, int? most) => new() { Prompt = prompt, MaxTokens = most, Sampling = new SamplerOptions { Temperature = 0 } };

    private static ImmutableArray<int> Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(1, 500))];
    }

    /// <summary>A prompt out of a small family, so that beginnings are often common.</summary>
    private static ImmutableArray<int> Shared(Random random, int length)
    {
        var family = Prompt(random.Next(3), length);
        return random.Next(3) == 0 ? family : family.SetItem(random.Next(length), random.Next(1, 500));
    }

    private static string Expected(FakeSession session, ImmutableArray<int> prompt, int count)
    {
        var tokens = prompt.ToList();
        for (var i = 0; i < count; i++) tokens.Add(session.Next(tokens));
        return string.Concat(tokens.Skip(prompt.Length).Select(token => $" {token}"));
    }

    private static async Task<string> RunAsync(BatchLoop loop, GenerationRequest request)
    {
        var text = new StringBuilder();
        var signal = new OutboxSignal();
        var generation = new Generation(request, signal);
        Assert.True(loop.TryEnter([generation], out _));
        Assert.Null((await ReadAsync(generation, signal, text)).Failure);
        return text.ToString();
    }

    private static async Task<GenerationEnd> EndAsync(BatchLoop loop, GenerationRequest request)
    {
        var signal = new OutboxSignal();
        var generation = new Generation(request, signal);
        Assert.True(loop.TryEnter([generation], out _));
        return await ReadAsync(generation, signal, new StringBuilder());
    }

    private static async Task<GenerationEnd> ReadAsync(Generation generation, OutboxSignal signal, StringBuilder text)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            await signal.WaitAsync(timeout.Token);
            var parcel = generation.Outbox.Take(new Parcel());
            text.Append(Encoding.UTF8.GetString(parcel.Text.WrittenSpan));
            if (parcel.End is { } end) return end;
        }
    }

    private static async Task Eventually(Func<bool> condition)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, "the condition did not come true in time");
            await Task.Yield();
        }
    }
}
