using System.Buffers;
using System.Collections.Immutable;
using System.Text;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Chats;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.Completions;
using FinerCut.Worker.OpenAi;

namespace FinerCut.Worker.Serving;

/// <summary>How responses name what answered.</summary>
/// <param name="Version">Which file of the model (x-finercut-version).</param>
/// <param name="Build">Adapter and release of the library.</param>
internal sealed record ModelNames(string Id, ImmutableArray<string> Aliases, string Version, string Build)
{
    public string Fingerprint { get; } = $"fp_{Version}_{Build}";
}

/// <summary>A loaded model with everything that requests need. Thread-safe; the loop owns the context.</summary>
internal sealed class ServedModel(ILlamaModel model, ModelNames names, ChatTemplate template, BatchLoop loop, RequestLimits limits, int cells) : IDisposable
{
    public LlamaModelInfo Info => model.Info;

    public IVocabulary Vocabulary => model.Vocabulary;

    public ModelNames Names => names;

    public ChatTemplate Template => template;

    public ChatTraits Chats { get; } = ChatTraits.Of(template.Source, model.Vocabulary);

    public TemplateTokens TemplateTokens { get; } = TokensOf(model.Vocabulary);

    public BatchLoop Loop => loop;

    public RequestLimits Limits => limits;

    /// <summary>How texts are embedded; null where the worker answers instead.</summary>
    public PoolingKind? Pooling { get; init; }

    /// <summary>KV cells of the context.</summary>
    public int Cells => cells;

    public TokenTexts TokenTexts { get; } = new(model.Vocabulary);

    /// <summary>Text that a chat template made: control tokens are read as such, and the first token is not put twice.</summary>
    public ImmutableArray<int> Tokenize(string text)
    {
        var hasBos = TemplateTokens.Bos.Length > 0 && text.StartsWith(TemplateTokens.Bos, StringComparison.Ordinal);
        return [.. Vocabulary.Tokenize(text, addSpecial: !hasBos, parseSpecial: true)];
    }

    /// <summary>Text of a plain completion, read as llama-server reads it: control tokens may be spelled out.</summary>
    public ImmutableArray<int> TokenizePlain(string text) => [.. Vocabulary.Tokenize(text, addSpecial: true, parseSpecial: true)];

    /// <summary>A prompt in whatever form it came. Only its beginning is a beginning: later texts get no token of their own before them.</summary>
    public ImmutableArray<int> TokenizePlain(TextPrompt prompt)
    {
        if (prompt.Text is { } text) return TokenizePlain(text);
        if (prompt.Parts is not { } parts) return prompt.Tokens;
        return [.. parts.SelectMany((part, i) => part.Text is { } own ? Vocabulary.Tokenize(own, addSpecial: i == 0, parseSpecial: true) : part.Tokens.AsEnumerable())];
    }

    public string Detokenize(ReadOnlySpan<int> tokens)
    {
        var text = new ArrayBufferWriter<byte>(tokens.Length * 4 + 1);
        var assembler = new TextAssembler([]);
        foreach (var token in tokens) assembler.Append(TokenTexts.Bytes(token), text);
        assembler.Finish(text);
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    /// <exception cref="ApiException">The prompt is empty or does not fit, or this worker embeds.</exception>
    public void Require(GenerationRequest request)
    {
        if (Pooling is not null)
            throw new ApiException(new ApiError(501, "not_supported_error", "This worker was started with --embeddings: it embeds and does not answer.", null, "not_supported"));
        if (request.Prompt.IsEmpty)
            throw new ApiException(ApiError.Invalid("The prompt has no tokens: at least one is needed.", "prompt"));
        if (request.Prompt.Length >= loop.Config.ContextLimit)
            throw new ApiException(ApiError.ContextExceeded(request.Prompt.Length, loop.Config.ContextLimit));
    }

    public ApiError Busy(int ahead) => ApiError.Unavailable(
        $"{ahead} requests are at work or waiting, which is all that this worker takes. Try again later.",
        "queue_full",
        1 + ahead / loop.Config.Parallel);

    public static TemplateTokens TokensOf(IVocabulary vocabulary)
    {
        var texts = new TokenTexts(vocabulary);
        return new TemplateTokens(Text(vocabulary.Special.Bos), Text(vocabulary.Special.Eos));

        string Text(int token) => token < 0 ? "" : Encoding.UTF8.GetString(texts.Bytes(token));
    }

    public void Dispose()
    {
        loop.Dispose();
        template.Dispose();
        model.Dispose();
    }
}
