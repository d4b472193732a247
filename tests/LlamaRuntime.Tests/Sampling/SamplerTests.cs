using FinerCut.Runtime;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class SamplerTests(RealModel real) : IDisposable
{
    private const string Prompt = "<|im_start|>user\nTell me a story.<|im_end|>\n<|im_start|>assistant\n";
    private readonly ILlamaSession _session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64 });

    public void Dispose() => _session.Dispose();

    [Fact]
    public void The_same_seed_draws_the_same_tokens_and_another_seed_others()
    {
        var options = new SamplerOptions { Temperature = 1.5f, Seed = 42 };
        var first = Generate(options, 12);
        Assert.Equal(first, Generate(options, 12));
        Assert.NotEqual(first, Generate(options with { Seed = 43 }, 12));
        Assert.Equal(Generate(options with { Seed = uint.MaxValue }, 4), Generate(options with { Seed = uint.MaxValue }, 4));
    }

    [Fact]
    public void Greedy_takes_the_largest_logit()
    {
        Prefill();
        var logits = _session.Logits(0).ToArray();
        using var sampler = _session.CreateSampler(new SamplerOptions { Temperature = 0 });
        Assert.Equal(logits.AsSpan().IndexOf(logits.Max()), sampler.Sample(0));
    }

    [Theory]
    [MemberData(nameof(NarrowOptions))]
    public void Filters_as_narrow_as_can_be_leave_the_largest(SamplerOptions options)
    {
        Prefill();
        using var greedy = _session.CreateSampler(new SamplerOptions { Temperature = 0 });
        using var sampler = _session.CreateSampler(options with { Seed = 3, Temperature = 1 });
        var largest = greedy.Sample(0);
        for (var i = 0; i < 5; i++) Assert.Equal(largest, sampler.Sample(0));
    }

    public static TheoryData<SamplerOptions> NarrowOptions() =>
        [new SamplerOptions { TopK = 1 }, new SamplerOptions { TopP = 0 }, new SamplerOptions { MinP = 1 }, new SamplerOptions { TopNSigma = 1e-6f }];

    [Fact]
    public void Every_sampler_of_the_chain_can_be_asked_for_at_once()
    {
        var options = new SamplerOptions
        {
            Temperature = 0.9f, TopK = 40, TopP = 0.95f, MinP = 0.02f, TypicalP = 0.98f, TopNSigma = 3, XtcProbability = 0.3f, DynamicTemperatureRange = 0.2f,
            RepeatPenalty = 1.1f, FrequencyPenalty = 0.2f, PresencePenalty = 0.1f, PenaltyLastN = 64, DryMultiplier = 0.8f, Seed = 7,
            LogitBias = new Dictionary<int, float> { [5] = 1.5f, [6] = float.NegativeInfinity },
        };
        Assert.Equal(Generate(options, 8), Generate(options, 8));
    }

    [Theory]
    [InlineData(1), InlineData(2)]
    public void Mirostat_draws(int version)
    {
        var options = new SamplerOptions { Mirostat = version, Seed = 5 };
        Assert.Equal(Generate(options, 8), Generate(options, 8));
    }

    [Fact]
    public void A_bias_makes_a_token_certain_and_another_impossible()
    {
        Prefill();
        using var greedy = _session.CreateSampler(new SamplerOptions { Temperature = 0 });
        var largest = greedy.Sample(0);
        using var sure = _session.CreateSampler(new SamplerOptions { Temperature = 0, LogitBias = new Dictionary<int, float> { [1234] = 100 } });
        Assert.Equal(1234, sure.Sample(0));
        using var never = _session.CreateSampler(new SamplerOptions { Temperature = 0, LogitBias = new Dictionary<int, float> { [largest] = float.NegativeInfinity } });
        Assert.NotEqual(largest, never.Sample(0));
    }

    [Fact]
    public void Biases_that_leave_nothing_are_an_exception()
    {
        Prefill();
        var all = Enumerable.Range(0, real.Model.Vocabulary.Count).ToDictionary(token => token, _ => float.NegativeInfinity);
        foreach (var temperature in (float[])[0, 1])
        {
            using var sampler = _session.CreateSampler(new SamplerOptions { Temperature = temperature, LogitBias = all });
            Assert.Throws<LlamaException>(() => sampler.Sample(0));
        }
    }

    [Fact]
    public void Penalties_see_the_prompt_that_was_accepted()
    {
        Prefill();
        using var greedy = _session.CreateSampler(new SamplerOptions { Temperature = 0 });
        var largest = greedy.Sample(0);
        using var penalised = _session.CreateSampler(new SamplerOptions { Temperature = 0, PresencePenalty = 1000 });
        Assert.Equal(largest, penalised.Sample(0));
        using var fed = _session.CreateSampler(new SamplerOptions { Temperature = 0, PresencePenalty = 1000 });
        fed.Accept(largest);
        Assert.NotEqual(largest, fed.Sample(0));
    }

    [Fact]
    public void Options_out_of_range_are_refused_all_at_once()
    {
        var thrown = Assert.Throws<LlamaException>(() => _session.CreateSampler(new SamplerOptions
        {
            Temperature = float.NaN, TopP = 2, MinP = -1, Mirostat = 3, PenaltyLastN = int.MinValue, RepeatPenalty = 0,
            LogitBias = new Dictionary<int, float> { [-5] = 1, [4] = float.NaN },
        }));
        Assert.Equal(LlamaErrorCode.InvalidOption, thrown.Code);
        foreach (var name in (string[])["Temperature", "TopP", "MinP", "Mirostat", "PenaltyLastN", "RepeatPenalty", "token -5", "token 4"])
            Assert.Contains(name, thrown.Message, StringComparison.Ordinal);
    }

    private void Prefill()
    {
        _session.Memory.Clear();
        var tokens = real.Tokens(Prompt);
        var batch = new TokenBatch(64);
        for (var i = 0; i < tokens.Length - 1; i++) batch.Add(tokens[i], i, 0, logits: false);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        batch.Clear();
        batch.Add(tokens[^1], tokens.Length - 1, 0, logits: true);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
    }

    private int[] Generate(SamplerOptions options, int count)
    {
        _session.Memory.Clear();
        using var sampler = _session.CreateSampler(options);
        return real.Generate(_session, Prompt, sampler, count);
    }
}
