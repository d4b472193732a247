using System.Collections.Immutable;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Tests.Batching;

/// <summary>
/// Who waits how long, by the loop's own steps on a machine that is only reckoned: a step costs 10 ms and 4 ms a token, as the embedded model's does on one
/// thread. Nothing here is timed, so that the figures are the same on every run.
/// </summary>
public class FairnessTests
{
    private static readonly TimeSpan StepCost = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan TokenCost = TimeSpan.FromMilliseconds(4);
    private const int Short = 60;
    private const int Long = 4000;

    [Theory]
    [InlineData(24, 8)]
    [InlineData(1, 8)]
    [InlineData(24, 4)]
    [InlineData(1, 4)]
    [InlineData(100, 4)]
    public void OneClientWithLongPromptsRaisesTheOthersP99ByNoMoreThanTwice(int answerTokens, int places)
    {
        var alone = new Machine(places);
        alone.Run([.. Enumerable.Range(0, 7).Select(i => new Client(i, Short, answerTokens))], requests: 20);
        var beside = new Machine(places);
        var longs = new Client(99, Long, 1);
        beside.Run([.. Enumerable.Range(0, 7).Select(i => new Client(i, Short, answerTokens)), longs], requests: 20);
        var (without, with) = (P99(alone.FirstTokens(Short)), P99(beside.FirstTokens(Short)));
        TestContext.Current.TestOutputHelper?.WriteLine($"{answerTokens}, {places} places: p99 {without} alone, {with} beside; long ones {string.Join(", ", beside.FirstTokens(Long))}");
        Assert.True(with <= 2 * without, $"p99 to first token: {without} alone, {with} beside");
    }

    [Fact]
    public void ALongPromptHasAQuarterOfTheMachineUnderAnyFlood()
    {
        var machine = new Machine(8);
        var flood = Enumerable.Range(0, 30).Select(i => new Client(i, Short, 1)).ToArray();
        machine.Run([new Client(99, Long, 1), .. flood], requests: 400, until: Long);
        var took = Assert.Single(machine.FirstTokens(Long));
        // One start in four is the first comer's, and a quarter of all prompt tokens are.
        var bound = 4 * Long * TokenCost * 1.2;
        TestContext.Current.TestOutputHelper?.WriteLine($"{took} of at most {bound}");
        Assert.True(took <= bound, $"{took}, the bound is {bound}");
        Assert.True(took >= Long * TokenCost * 2, "the flood was no flood");
    }

    [Fact]
    public void ALongPromptThatKeepsShorterOnesWaitingHasAQuarterOfTheTime()
    {
        var machine = new Machine(4);
        var others = Enumerable.Range(0, 7).Select(i => new Client(i, Short, 24)).ToArray();
        machine.Run([new Client(99, Long, 1), .. others], requests: 400, until: Long);
        var took = Assert.Single(machine.FirstTokens(Long));
        // A quarter of the time, and the wait for a place of its own.
        var bound = 4 * Long * TokenCost * 1.3;
        TestContext.Current.TestOutputHelper?.WriteLine($"{took} of at most {bound}");
        Assert.True(took <= bound, $"{took}, the bound is {bound}");
        Assert.True(took >= Long * TokenCost * 2, "nobody waited");
    }

    private static TimeSpan P99(IReadOnlyList<TimeSpan> times) => times.Order().ElementAt((int)Math.Ceiling(0.99 * times.Count) - 1);

    private sealed record Client(int Id, int PromptTokens, int AnswerTokens)
    {
        public int Asked { get; set; }

        public Generation? Open { get; set; }

        public OutboxSignal Signal { get; } = new();

        public long AskedAt { get; set; }

        public bool HasFirst { get; set; }
    }

    private sealed class ReckonedClock : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }

    private sealed class Machine
    {
        private readonly ReckonedClock _clock = new();
        private readonly Roster _roster;
        private readonly StepRunner _steps;
        private readonly List<(int Prompt, TimeSpan Time)> _first = [];

        public Machine(int parallel)
        {
            var session = new FakeSession(40_000, parallel + 8);
            session.OnDecode = batch => _clock.Now += StepCost + (batch.Count * TokenCost);
            var store = new SequenceStore(session, parallel + 8, 40_000, new MemoryTraits(true));
            var config = new BatchConfig { Parallel = parallel, QueueCapacity = 100, ContextLimit = 40_000, Step = new StepLimits(512, 128) };
            _roster = new Roster(store, config, _clock);
            _steps = new StepRunner(new BatchContext(session, session, store), config, _roster, new WorkerMeters(), _clock);
        }

        public IReadOnlyList<TimeSpan> FirstTokens(int promptTokens) => [.. _first.Where(entry => entry.Prompt == promptTokens).Select(entry => entry.Time)];

        /// <summary>Every client asks again as soon as it is answered; it ends with the first that has asked so often, or once a prompt of this length is answered.</summary>
        public void Run(Client[] clients, int requests, int until = 0)
        {
            var random = new Random(5);
            while (clients.All(client => client.Asked < requests) && !_first.Any(entry => entry.Prompt == until))
            {
                foreach (var client in clients.Where(client => client.Open is null)) Ask(client, random);
                Assert.True(_steps.Step());
                foreach (var client in clients) Read(client);
            }
        }

        private void Ask(Client client, Random random)
        {
            ImmutableArray<int> prompt = [.. Enumerable.Range(0, client.PromptTokens).Select(_ => random.Next(1, 900))];
            client.Open = new Generation(new GenerationRequest { Prompt = prompt, MaxTokens = client.AnswerTokens, Sampling = new SamplerOptions(), CachePrompt = false }, client.Signal) { AdapterSet = 0 };
            client.Asked++;
            client.HasFirst = false;
            client.Open.ArrivedAt = client.AskedAt = _clock.GetTimestamp();
            _roster.Enqueue(client.Open);
        }

        private void Read(Client client)
        {
            var parcel = client.Open!.Outbox.Take(new Parcel());
            if (parcel.Tokens > 0 && !client.HasFirst)
            {
                client.HasFirst = true;
                _first.Add((client.PromptTokens, _clock.GetElapsedTime(client.AskedAt)));
            }

            if (parcel.End is { } end)
            {
                Assert.Null(end.Failure);
                client.Open = null;
            }
        }
    }
}
