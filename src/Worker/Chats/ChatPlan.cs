using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Chats;

/// <summary>A conversation as a request put it, whatever the endpoint. Immutable.</summary>
/// <param name="Messages">OpenAI chat messages, an array.</param>
/// <param name="Variables">More variables for the template, an object.</param>
/// <param name="Prefill">The beginning of the answer, which it goes on from.</param>
internal sealed record ChatInput(
    JsonElement Messages, ToolRequest Tools, AnswerFormat Format, bool AddGenerationPrompt = true, JsonElement? Variables = null, string Prefill = "")
{
    /// <summary>Whether reasoning is taken apart from content.</summary>
    public bool SplitsReasoning { get; init; } = true;
}

/// <summary>A conversation as this model gets it, and how its answer is read. Immutable.</summary>
/// <param name="Text">The rendered prompt.</param>
/// <param name="Grammar">What sampling is bound to; null = nothing.</param>
/// <param name="Shown">Control tokens that the answer is read for.</param>
internal sealed record ChatPlan(string Text, ImmutableArray<int> Prompt, GrammarText? Grammar, AnswerForm Form, ImmutableArray<int> Shown)
{
    /// <summary>The whole answer is content: nothing needs to be read.</summary>
    public bool IsPlain => !Form.Tools.IsActive && Form.Reasoning is null;

    /// <exception cref="ApiException">The template refuses the conversation, or no grammar can be made of a schema.</exception>
    public static ChatPlan Build(ServedModel model, ChatInput input)
    {
        var traits = model.Chats;
        var prompt = HasTools(input) ? ToolPrompt.Build(input.Tools, traits.Family, input.Messages, traits.TakesSystem) : new ToolPrompt(input.Messages, null);
        var text = Render(model, new TemplateInput(prompt.Messages, prompt.Tools, input.AddGenerationPrompt, input.Variables)) + input.Prefill;
        var tags = input.SplitsReasoning ? traits.Reasoning : null;
        var form = new AnswerForm(input.Tools, traits.Family, tags, tags?.IsOpenAtEnd(text) == true);
        ImmutableArray<int> shown = [.. input.Tools.IsActive ? traits.CallTokens : [], .. traits.ReasoningTokens];
        return new ChatPlan(text, model.Tokenize(text), GrammarOf(input, form), form, shown);
    }

    /// <summary>Sampling under this plan's grammar.</summary>
    public SamplerOptions Bind(SamplerOptions sampling) =>
        Grammar is { } grammar ? sampling with { Grammar = grammar.Text, GrammarRoot = grammar.Root } : sampling;

    /// <summary>Reads one answer.</summary>
    /// <param name="prefix">Of the calls' ids, where the family has none of its own.</param>
    public AnswerText Read(string prefix = "call_") =>
        // Ids must differ between the turns of a conversation, whatever seed the client gives.
        new(new AnswerReader(Form, new SeededToolCallIds(RandomNumberGenerator.GetInt32(int.MaxValue), Form.Family, prefix)));

    /// <exception cref="ApiException">The template refuses the conversation.</exception>
    private static string Render(ServedModel model, TemplateInput input)
    {
        try
        {
            return model.Template.Render(input);
        }
        catch (ChatTemplateException exception)
        {
            throw new ApiException(ApiError.Invalid($"The model's chat template refuses these messages: {exception.Message}", "messages", "chat_template_error"));
        }
    }

    private static bool HasTools(ChatInput input) => input.Tools.IsActive || input.Messages.EnumerateArray().Any(message =>
        message.TryGetProperty("tool_calls", out _) || (message.TryGetProperty("role", out var role) && role.ValueEquals("tool")));

    private static GrammarText? GrammarOf(ChatInput input, AnswerForm form)
    {
        try
        {
            if (ToolGrammar.Build(form.Tools, form.Family, form.Reasoning, form.StartsInsideReasoning) is { } calls) return new GrammarText(calls.Whole, "root");
            if (input.Format.ToGrammar() is not { } grammar) return null;
            return form.Reasoning is null ? new GrammarText(grammar, "root") : ReasoningGrammar.Wrap(grammar, form.Reasoning, form.StartsInsideReasoning);
        }
        catch (SchemaRefusedException exception)
        {
            throw new ApiException(ApiError.Invalid($"{exception.Message}", exception.Path, "invalid_json_schema"));
        }
    }
}
