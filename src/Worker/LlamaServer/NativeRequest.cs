using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.LlamaServer;

/// <summary>A body of /completion or /infill, checked.</summary>
/// <param name="Prompts">Each gets <see cref="AnswerFields.Choices"/> answers; empty for /infill, which has one.</param>
/// <param name="ReturnsTokens">Token ids beside the text.</param>
/// <param name="ReturnsProbabilities">n_probs was asked for.</param>
internal sealed record NativeRequest(AnswerFields Answer, ImmutableArray<TextPrompt> Prompts, bool ReturnsTokens, bool ReturnsProbabilities)
{
    private const int MostProbabilities = 100;
    private const int MostFields = 64;
    private const int LongestField = 256;

    /// <summary>Probabilities are those that tokens were drawn by.</summary>
    public bool AfterSampling { get; private init; }

    /// <summary>Members of the answer to give, as paths with slashes; empty = all.</summary>
    public ImmutableArray<string> Fields { get; private init; } = [];

    /// <summary>What /infill is to fill: before, behind, and what stands in other files.</summary>
    public (string Prefix, string Suffix, string Extra)? Gap { get; private init; }

    /// <exception cref="ApiException">400 with every fault.</exception>
    public static NativeRequest Read(JsonElement root, RequestLimits limits, bool isInfill)
    {
        var body = new FieldReader(root);
        var gap = isInfill ? ReadGap(body) : default((string, string, string)?);
        var prompts = isInfill ? [] : TextPrompts.Read(body, "prompt", limits.VocabularySize);
        var probabilities = (int)(body.Integer("n_probs", 0, MostProbabilities) ?? 0);
        var tokens = body.Flag("return_tokens") ?? false;
        var afterSampling = body.Flag("post_sampling_probs") ?? false;
        var fields = body.Texts("response_fields", MostFields, LongestField);
        body.Refuse("n_indent", "0", value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var indent) && indent == 0);
        var grammar = ReadSchema(body);
        var answer = AnswerFields.Read(body, limits, isChat: true);
        var asked = Math.Max(1, prompts.Length) * answer.Choices;
        if (asked > limits.MostChoices) body.Fault("prompt", $"and \"n\" ask for {asked} answers; at most {limits.MostChoices} are given.", "invalid_value");
        if (grammar is not null && answer.Sampling.Grammar is not null) body.Fault("grammar", "cannot be used together with json_schema.", "invalid_value");
        body.Close();
        body.ThrowIfFaulty();
        return new NativeRequest(
            answer with
            {
                // Token ids come with log-probabilities only.
                TopLogprobs = probabilities > 0 ? probabilities : tokens ? 0 : null,
                Sampling = grammar is null ? answer.Sampling : answer.Sampling with { Grammar = grammar },
            },
            prompts,
            tokens,
            probabilities > 0)
        { Gap = gap, AfterSampling = afterSampling, Fields = fields };
    }

    /// <summary>One generation of this request.</summary>
    public GenerationRequest ToRequest(ImmutableArray<int> prompt, int choice) =>
        Answer.ToRequest(prompt, choice) with { AfterSampling = AfterSampling && ReturnsProbabilities };

    private static string? ReadSchema(FieldReader body)
    {
        const string name = "json_schema";
        if (body.Any(name) is not { } schema) return null;
        try
        {
            return new AnswerFormat(true, schema, name).ToGrammar();
        }
        catch (SchemaRefusedException exception)
        {
            body.Fault(name, $"cannot be held to: {exception.Message}", "invalid_json_schema");
            return null;
        }
    }

    private static (string, string, string)? ReadGap(FieldReader body)
    {
        var prefix = body.Text("input_prefix");
        var suffix = body.Text("input_suffix");
        if (prefix is null && body.Any("input_prefix") is null) body.Fault("input_prefix", "is missing: the text before the gap.", "missing_required_parameter");
        if (suffix is null && body.Any("input_suffix") is null) body.Fault("input_suffix", "is missing: the text behind the gap.", "missing_required_parameter");
        var extra = new StringBuilder();
        foreach (var file in body.Objects("input_extra") ?? [])
        {
            extra.Append(file.Text("filename")).Append('\n').Append(file.Text("text")).Append("\n\n");
            file.Close();
        }

        var prompt = body.Text("prompt") ?? "";
        return (prefix + prompt, suffix ?? "", extra.ToString());
    }
}
