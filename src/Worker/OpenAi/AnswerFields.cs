using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Worker.Adapters;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;

namespace FinerCut.Worker.OpenAi;

/// <summary>What a body is validated against.</summary>
/// <param name="EndTokens">Tokens that end an answer; forbidden where the client asks to ignore them.</param>
/// <param name="DefaultSeed">The worker's --seed; null = random.</param>
/// <param name="MostChoices">Answers that one request may ask for.</param>
public sealed record RequestLimits(int VocabularySize, ImmutableArray<int> EndTokens, uint? DefaultSeed, int MostChoices)
{
    /// <summary>LoRA adapters that requests may name.</summary>
    public int Adapters { get; init; }

    /// <summary>Tokens to keep where the context is shifted, for requests that do not say.</summary>
    public int Keep { get; init; }

    /// <summary>Sequences of the context, which id_slot may name.</summary>
    public int Sequences { get; init; } = 1;
}

/// <summary>The part of a body that chat and text completions have in common. Immutable.</summary>
public sealed record AnswerFields
{
    private const int MostStops = 64;
    private const int LongestStop = 1024;
    private const int MostTopLogprobs = 20;

    public bool Stream { get; init; }

    public bool IncludeUsage { get; init; }

    /// <summary>Answers to each prompt.</summary>
    public int Choices { get; init; } = 1;

    public int? MaxTokens { get; init; }

    /// <summary>Null = none asked for.</summary>
    public int? TopLogprobs { get; init; }

    public ImmutableArray<string> Stops { get; init; } = [];

    public required SamplerOptions Sampling { get; init; }

    public bool IgnoreEos { get; init; }

    public bool CachePrompt { get; init; } = true;

    /// <summary>Strengths of the adapters; default = the context's.</summary>
    public ImmutableArray<float> Adapters { get; init; }

    /// <summary>Tokens that stay where the context is shifted; -1 = the prompt.</summary>
    public int Keep { get; init; }

    /// <summary>The sequence that llama-server's id_slot asks for; -1 = any.</summary>
    public int Sequence { get; init; } = -1;

    /// <summary>Timings in every event of a stream.</summary>
    public bool TimesTokens { get; init; }

    /// <summary>Events that tell how far the prompt is.</summary>
    public bool ReportsProgress { get; init; }

    /// <param name="isChat">Chat names log-probabilities by two fields, text completions by one.</param>
    public static AnswerFields Read(FieldReader body, RequestLimits limits, bool isChat)
    {
        ArgumentNullException.ThrowIfNull(body);
        ArgumentNullException.ThrowIfNull(limits);
        Tolerate(body);
        var stream = body.Flag("stream") ?? false;
        var ignoreEos = body.Flag("ignore_eos") ?? false;
        var sampling = SamplingFields.Read(body, limits.VocabularySize, limits.DefaultSeed);
        return new AnswerFields
        {
            Stream = stream,
            IncludeUsage = IncludesUsage(body, stream),
            Choices = (int)(body.Integer("n", 1, limits.MostChoices) ?? 1),
            MaxTokens = Most(body),
            TopLogprobs = isChat ? ChatLogprobs(body) : (int?)body.Integer("logprobs", 0, MostTopLogprobs),
            Stops = body.Texts("stop", MostStops, LongestStop),
            Sampling = ignoreEos ? Forbid(sampling, limits.EndTokens) : sampling,
            IgnoreEos = ignoreEos,
            CachePrompt = body.Flag("cache_prompt") ?? true,
            Adapters = AdapterEndpoints.Read(body, "lora", limits.Adapters),
            Keep = (int)(body.Integer("n_keep", -1, int.MaxValue) ?? limits.Keep),
            Sequence = (int)(body.Integer("id_slot", -1, limits.Sequences - 1) ?? -1),
            TimesTokens = ReadTimes(body),
            ReportsProgress = ReadProgress(body, stream),
        };
    }

    /// <summary>One generation of this request.</summary>
    /// <param name="choice">Answers of one request differ by their seed.</param>
    public GenerationRequest ToRequest(ImmutableArray<int> prompt, int choice) => new()
    {
        Prompt = prompt,
        MaxTokens = MaxTokens,
        Sampling = choice == 0 ? Sampling : Sampling with { Seed = unchecked(Sampling.Seed + (uint)choice) },
        Stops = [.. Stops.Select(Encoding.UTF8.GetBytes)],
        IgnoreEos = IgnoreEos,
        TopLogprobs = TopLogprobs,
        CachePrompt = CachePrompt,
        Adapters = Adapters,
        Keep = Keep,
        Sequence = Sequence,
        TimesTokens = Stream && TimesTokens,
        ReportsProgress = ReportsProgress,
    };

    /// <summary>One generation of this request, for a chat.</summary>
    internal GenerationRequest ToRequest(ChatPlan plan, int choice)
    {
        var request = ToRequest(plan.Prompt, choice);
        return request with { Sampling = plan.Bind(request.Sampling), Shown = plan.Shown };
    }

    /// <summary>Fields of OpenAI's and llama-server's clients that are without effect here, and those whose effect is not there (yet).</summary>
    internal static void Tolerate(FieldReader body)
    {
        body.Accept(
            "model", "user", "metadata", "store", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier");
        body.Refuse("best_of", "1", value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count == 1);
        body.Refuse("stream_tokens", "false", IsFalse);
        body.Refuse("verbose", "false", IsFalse);
    }

    /// <summary>A whole answer has them in any case.</summary>
    internal static bool ReadTimes(FieldReader body) => body.Flag("timings_per_token") ?? false;

    internal static bool ReadProgress(FieldReader body, bool stream)
    {
        var wanted = body.Flag("return_progress") ?? false;
        if (wanted && !stream) body.Fault("return_progress", "is only allowed together with \"stream\": true.", "invalid_value");
        return wanted && stream;
    }

    internal static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IncludesUsage(FieldReader body, bool stream)
    {
        if (body.Object("stream_options") is not { } options) return false;
        var include = options.Flag("include_usage") ?? false;
        options.Accept("include_obfuscation");
        options.Close();
        if (!stream) body.Fault("stream_options", "is only allowed together with \"stream\": true.", "invalid_value");
        return include;
    }

    private static int? Most(FieldReader body)
    {
        int? most = null;
        foreach (var name in (ReadOnlySpan<string>)["max_completion_tokens", "max_tokens", "n_predict"])
        {
            // -1 is llama-server's way to ask for as many as fit.
            var value = (int?)body.Integer(name, -1, int.MaxValue);
            most ??= value;
        }

        return most == -1 ? null : most;
    }

    private static int? ChatLogprobs(FieldReader body)
    {
        var wanted = body.Flag("logprobs") ?? false;
        var top = (int?)body.Integer("top_logprobs", 0, MostTopLogprobs);
        if (top is not null && !wanted) body.Fault("top_logprobs", "is only allowed together with \"logprobs\": true.", "invalid_value");
        return wanted ? top ?? 0 : null;
    }

    private static SamplerOptions Forbid(SamplerOptions sampling, ImmutableArray<int> tokens)
    {
        var bias = new Dictionary<int, float>(sampling.LogitBias ?? new Dictionary<int, float>());
        foreach (var token in tokens) bias[token] = float.NegativeInfinity;
        return sampling with { LogitBias = bias };
    }
}
