using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FinerCut.Worker.ChatTemplates;

/// <summary>What a template may print around messages.</summary>
/// <param name="Bos">Text of the vocabulary's first token; empty where it has none.</param>
/// <param name="Eos">Text of its end token; empty where it has none.</param>
public sealed record TemplateTokens(string Bos, string Eos);

/// <summary>What one render is given.</summary>
/// <param name="Messages">OpenAI chat messages, an array.</param>
/// <param name="Tools">OpenAI tool definitions, an array; null = none.</param>
/// <param name="AddGenerationPrompt">Whether the text ends where the assistant begins to answer.</param>
/// <param name="Variables">More variables for the template (chat_template_kwargs), an object.</param>
public sealed record TemplateInput(JsonElement Messages, JsonElement? Tools = null, bool AddGenerationPrompt = true, JsonElement? Variables = null);

/// <summary>A conversation as the model saw it.</summary>
/// <param name="AnswerStart">Index in <paramref name="Text"/> at which the answer begins; the text's length where there is none.</param>
public sealed record ConversationText(string Text, int AnswerStart);

/// <summary>A model's chat template: the file's own Jinja, compiled once. Thread-safe (renders one at a time).</summary>
public sealed class ChatTemplate : IDisposable
{
    /// <summary>Used where a file has no template: ChatML, which most small models understand.</summary>
    public const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}" +
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private const string Probe = "finer cut probe";

    private readonly Lock _gate = new();
    private readonly JinjaScript _script;
    private readonly TemplateTokens _tokens;
    private readonly bool _wantsParts;

    private ChatTemplate(string source, JinjaScript script, TemplateTokens tokens, bool isFallback)
    {
        Source = source;
        IsFallback = isFallback;
        _script = script;
        _tokens = tokens;
        _wantsParts = !Prints("\"" + Probe + "\"") && Prints($$"""[{"type":"text","text":"{{Probe}}"}]""");
    }

    public string Source { get; }

    /// <summary>The file had no template, so this is ChatML.</summary>
    public bool IsFallback { get; }

    /// <param name="source">Jinja; null or blank = <see cref="ChatMl"/>.</param>
    /// <exception cref="ChatTemplateException">Not Jinja that the engine understands.</exception>
    public static ChatTemplate Compile(string? source, TemplateTokens tokens, TimeProvider clock)
    {
        var isFallback = string.IsNullOrWhiteSpace(source);
        var text = isFallback ? ChatMl : source!;
        return new ChatTemplate(text, new JinjaScript(text, clock), tokens, isFallback);
    }

    /// <summary>The prompt as text, with control tokens spelled out.</summary>
    /// <exception cref="ChatTemplateException">The template refused the messages.</exception>
    public string Render(TemplateInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var json = Data(input);
        lock (_gate) return _script.Render(json);
    }

    /// <summary>
    /// Messages and the answer that was given to them. The prompt is what <see cref="Render"/> gives for the messages alone, so the text up to
    /// <see cref="ConversationText.AnswerStart"/> is exactly what was served; what follows is the answer and what the template closes it with.
    /// </summary>
    public ConversationText RenderConversation(JsonElement messages, string answer)
    {
        var prompt = Render(new TemplateInput(messages));
        var all = JsonNode.Parse(messages.GetRawText())!.AsArray();
        all.Add(new JsonObject { ["role"] = "assistant", ["content"] = answer });
        var full = Render(new TemplateInput(JsonSerializer.SerializeToElement(all, TemplateJson.Default.JsonArray), AddGenerationPrompt: false));
        if (full.StartsWith(prompt, StringComparison.Ordinal)) return new ConversationText(full, prompt.Length);

        // Some templates rewrite earlier turns once an answer follows (they strip reasoning): what was served counts, so keep the prompt as it was.
        var start = answer.Length == 0 ? -1 : full.LastIndexOf(answer, StringComparison.Ordinal);
        var rest = start < 0 ? answer : full[start..];
        return new ConversationText(prompt + rest, prompt.Length);
    }

    public void Dispose()
    {
        lock (_gate) _script.Dispose();
    }

    private string Data(TemplateInput input)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WritePropertyName("messages");
            MessageJson.Write(json, input.Messages, _wantsParts);
            json.WritePropertyName("tools");
            if (input.Tools is { } tools) tools.WriteTo(json);
            else json.WriteNullValue();
            json.WriteBoolean("add_generation_prompt", input.AddGenerationPrompt);
            json.WriteString("bos_token", _tokens.Bos);
            json.WriteString("eos_token", _tokens.Eos);
            if (input.Variables is { ValueKind: JsonValueKind.Object } variables)
            {
                foreach (var variable in variables.EnumerateObject()) variable.WriteTo(json);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>Whether a user's content in this form reaches the text at all; templates differ in which of the two forms they take.</summary>
    private bool Prints(string content)
    {
        try
        {
            using var messages = JsonDocument.Parse($$"""[{"role":"user","content":{{content}}}]""");
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                json.WritePropertyName("messages");
                messages.RootElement.WriteTo(json);
                json.WriteNull("tools");
                json.WriteBoolean("add_generation_prompt", true);
                json.WriteString("bos_token", _tokens.Bos);
                json.WriteString("eos_token", _tokens.Eos);
                json.WriteEndObject();
            }

            return _script.Render(Encoding.UTF8.GetString(buffer.WrittenSpan)).Contains(Probe, StringComparison.Ordinal);
        }
        catch (ChatTemplateException)
        {
            return false;
        }
    }
}
