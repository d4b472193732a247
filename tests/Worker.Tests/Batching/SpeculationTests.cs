using System.Collections.Immutable;
using System.Text;
using FinerCut.Runtime;
using FinerCut.Worker.Adapters;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Speculation;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Tests.Batching;

/// <summary>What the loop does beyond one token a step, on a context that says when a position, a copy or a cell is wrong.</summary>
public class SpeculationTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task GuessesChangeNothingButTheNumberOfSteps(int seed)
    {
        var random = new Random(seed);
        var session = new FakeSession(600, 12);
        using var drafter = new Oracle(session, new Random(seed), rightInTen: 7);
        using var loop = Start(session, drafter: drafter);
        var requests = Enumerable.Range(0, 40).Select(_ => (Prompt: Prompt(random.Next(5), 5 + random.Next(60)), Most: 1 + random.Next(50))).ToList();
        var texts = await Task.WhenAll(requests.Select(request => RunAsync(loop, new GenerationRequest { Prompt = request.Prompt, MaxTokens = request.Most, Sampling = new SamplerOptions() })));
        for (var i = 0; i < requests.Count; i++) Assert.Equal(Expected(session, requests[i].Prompt, requests[i].Most), texts[i].Text);
        Assert.True(texts.Sum(text => text.End.Figures.GuessedRight) > requests.Sum(request => request.Most) / 4, "guesses saved steps");
        Assert.True(texts.Sum(text => text.End.Figures.Guessed) > texts.Sum(text => text.End.Figures.GuessedRight), "some were wrong");
        Assert.Equal(0, drafter.Known);
        await loop.StopAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(23)]
    public async Task TokensBeforeADrawThatFailsAreHandedOut(int draws)
    {
        var session = new FakeSession(600, 12) { MostDraws = draws };
        using var drafter = new Oracle(session, new Random(1), rightInTen: 10);
        using var loop = Start(session, drafter: drafter);
        var (text, end) = await RunAsync(loop, new GenerationRequest { Prompt = Prompt(1, 10), MaxTokens = 50, Sampling = new SamplerOptions() });
        Assert.Equal(Expected(session, Prompt(1, 10), draws), text);
        Assert.Equal("no_token_left", end.Failure!.Code);
        Assert.Equal(draws, end.Figures.CompletionTokens);
        await loop.StopAsync();
    }

    [Fact]
    public async Task StrengthsThatNobodyUsesAreForgotten()
    {
        var session = new FakeSession(400, 12);
        var adapters = new AdapterScales(new Native(), [new LoraAdapter("a", new Dictionary<string, string>())], [0f]);
        using var loop = Start(session, adapters: adapters);
        for (var round = 0; round < 20; round++)
        {
            var prompt = Prompt(round, 10);
            var runs = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => RunAsync(
                loop, new GenerationRequest { Prompt = prompt, MaxTokens = 3, Adapters = [round + (i / 100f)], Sampling = new SamplerOptions() })));
            Assert.All(runs, run => Assert.Equal(Expected(session, prompt, 3), run.Text));
        }

        // As many as are kept at once, and those of twelve sequences and twenty requests.
        Assert.InRange(await loop.VisitAsync(context => context.Adapters.Known), 1, 64 + 12 + 20);
        await loop.StopAsync();
    }

    [Fact]
    public void TheLatestEarlierPlaceIsLookedUp()
    {
        Assert.Equal([7, 1, 2], NgramDrafter.Following([1, 2, 5, 1, 2, 9, 1, 2, 7, 1, 2], 2).ToArray());
        Assert.Equal([4], NgramDrafter.Following([4, 4, 4, 4], 2).ToArray());
        Assert.True(NgramDrafter.Following([1, 2, 3], 2).IsEmpty);
        Assert.True(NgramDrafter.Following([1, 2], 2).IsEmpty);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AFullContextForgetsItsMiddle(bool guesses)
    {
        var session = new FakeSession(64, 4);
        using var drafter = new Oracle(session, new Random(1), rightInTen: 7);
        using var loop = Start(session, guesses ? drafter : null, limit: 32, shifts: true);
        var prompt = Prompt(1, 8);
        var (text, end) = await RunAsync(loop, new GenerationRequest { Prompt = prompt, MaxTokens = 90, Keep = 4, Sampling = new SamplerOptions() });
        var tokens = prompt.ToList();
        var expected = new StringBuilder();
        for (var i = 0; i < 90; i++)
        {
            tokens.Add(session.Next(tokens));
            expected.Append(' ').Append(tokens[^1]);
            if (tokens.Count == 32) tokens.RemoveRange(4, 14);
        }

        Assert.Equal(expected.ToString(), text);
        Assert.Equal(90, end.Figures.CompletionTokens);
        Assert.True(end.Figures.Shifted > 0);
        await loop.StopAsync();
    }

    [Fact]
    public async Task AdaptersTakeTurnsAndShareNothing()
    {
        var session = new FakeSession(2000, 12);
        var native = new Native();
        var adapters = new AdapterScales(native, [new LoraAdapter("a", new Dictionary<string, string>())], [0f]);
        using var loop = Start(session, adapters: adapters);
        var prompt = Prompt(1, 40);
        var runs = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => RunAsync(
            loop, new GenerationRequest { Prompt = prompt, MaxTokens = 20, Adapters = [i % 3 * 0.5f], Sampling = new SamplerOptions() })));
        Assert.All(runs, run => Assert.Equal(Expected(session, prompt, 20), run.Text));
        // One of each set computes the prompt, the other takes it over.
        Assert.Equal(3, runs.Count(run => run.End.Figures.CachedTokens == 0));
        Assert.True(native.Changes >= 3, $"{native.Changes} changes");
        await loop.StopAsync();
    }

    [Fact]
    public async Task AWeightierPromptIsTakenFirst()
    {
        var session = new FakeSession(4000, 4);
        var started = new List<int>();
        using var taken = new ManualResetEventSlim();
        using var hold = new ManualResetEventSlim();
        // The order in which prompts begin to be computed: who is told first of their end is up to the thread pool.
        session.OnDecode = batch =>
        {
            taken.Set();
            hold.Wait(Patience);
            if (batch.Positions[0] == 0) started.Add(batch.Tokens[0]);
        };
        using var loop = Start(session, parallel: 1);
        // Each has entered when RunAsync first waits, so all three wait for the place that the first keeps.
        var first = RunAsync(loop, Marked(600, 1));
        Assert.True(taken.Wait(Patience));
        var runs = ((double[])[1, 4, 0.5]).Select((weight, i) => RunAsync(loop, Marked(601 + i, weight))).ToArray();
        hold.Set();
        await Task.WhenAll([first, .. runs]);
        Assert.Equal([600, 602, 601, 603], started);
        await loop.StopAsync();

        GenerationRequest Marked(int token, double weight) => new() { Prompt = [token, .. Prompt(1, 200)], MaxTokens = 2, Weight = weight, Sampling = new SamplerOptions() };
    }

    private static BatchLoop Start(FakeSession session, IDrafter? drafter = null, int limit = 4096, bool shifts = false, AdapterScales? adapters = null, int parallel = 6)
    {
        var store = new SequenceStore(session, session.Info.MaxSequences, session.Info.ContextLength, new MemoryTraits(true));
        var config = new BatchConfig { Parallel = parallel, QueueCapacity = 100, ContextLimit = limit, ShiftsContext = shifts, Step = new StepLimits(512, 128) };
        var loop = new BatchLoop(
            new BatchContext(session, session, store) { Drafter = drafter, Adapters = adapters ?? AdapterScales.None }, config, new WorkerMeters(), TimeProvider.System);
        loop.Start();
        return loop;
    }

    private static ImmutableArray<int> Prompt(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(1, 500))];
    }

    private static string Expected(FakeSession session, ImmutableArray<int> prompt, int count)
    {
        var tokens = prompt.ToList();
        for (var i = 0; i < count; i++) tokens.Add(session.Next(tokens));
        return string.Concat(tokens.Skip(prompt.Length).Select(token => $" {token}"));
    }

    private static async Task<(string Text, GenerationEnd End)> RunAsync(BatchLoop loop, GenerationRequest request)
    {
        var text = new StringBuilder();
        var signal = new OutboxSignal();
        var generation = new Generation(request, signal);
        Assert.True(loop.TryEnter([generation], out _));
        using var timeout = new CancellationTokenSource(Patience);
        while (true)
        {
            await signal.WaitAsync(timeout.Token);
            var parcel = generation.Outbox.Take(new Parcel());
            text.Append(Encoding.UTF8.GetString(parcel.Text.WrittenSpan));
            if (parcel.End is { } end) return (text.ToString(), end);
        }
    }

    /// <summary>Knows what comes, and is wrong at times.</summary>
    private sealed class Oracle(FakeSession session, Random random, int rightInTen) : IDrafter
    {
        private readonly HashSet<Generation> _seen = [];

        public int Known => _seen.Count;

        public int Most => 5;

        public void Draft(IReadOnlyList<Generation> generations, ReadOnlySpan<int> room)
        {
            for (var i = 0; i < generations.Count; i++)
            {
                _seen.Add(generations[i]);
                var tokens = generations[i].Tokens.ToArray().ToList();
                for (var j = 0; j < Math.Min(room[i], random.Next(Most + 1)); j++)
                {
                    tokens.Add(random.Next(10) < rightInTen ? session.Next(tokens) : random.Next(1, 500));
                    generations[i].Guesses.Add(tokens[^1]);
                }
            }
        }

        public void Forget(Generation generation) => _seen.Remove(generation);

        public void Dispose()
        {
        }
    }

    private sealed class Native : ILoraAdapters
    {
        public IReadOnlyList<(LoraAdapter Adapter, float Scale)>? Now { get; private set; }

        public int Changes { get; private set; }

        public LoraAdapter Load(string path) => throw new NotSupportedException();

        public void Use(IReadOnlyList<(LoraAdapter Adapter, float Scale)> adapters)
        {
            Now = adapters;
            Changes++;
        }
    }
}
