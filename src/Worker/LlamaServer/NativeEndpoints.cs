using System.Collections.Immutable;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.LlamaServer;

/// <summary>llama-server's own /completion and /infill.</summary>
internal sealed class NativeEndpoints(WorkerState state, TimeProvider clock)
{
    public Task CompleteAsync(HttpContext http) => AnswerAsync(http, isInfill: false);

    public Task InfillAsync(HttpContext http) => AnswerAsync(http, isInfill: true);

    private async Task AnswerAsync(HttpContext http, bool isInfill)
    {
        var model = state.Require();
        if (isInfill && !HasGapTokens(model))
        {
            throw new ApiException(new ApiError(
                501, "not_supported_error", "Infill is not supported by this model: its vocabulary has no tokens for prefix, suffix and middle.", null, "not_supported"));
        }

        using var body = await http.ReadJsonAsync();
        var request = NativeRequest.Read(body.RootElement, model.Limits, isInfill);
        ImmutableArray<ImmutableArray<int>> prompts = request.Gap is { } gap ? [Fill(model, gap)] : [.. request.Prompts.Select(prompt => model.TokenizePlain(prompt))];
        ImmutableArray<string> texts = [.. prompts.Select((tokens, i) => i < request.Prompts.Length && request.Prompts[i].Text is { } text ? text : model.Detokenize(tokens.AsSpan()))];
        var head = new AnswerHead("", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
        var answers = prompts.SelectMany(prompt => Enumerable.Range(0, request.Answer.Choices).Select(choice => request.ToRequest(prompt, choice)));
        await new AnswerRun(model, http).RunAsync([.. answers], request.Answer.Stream, new NativeFormat(head, request, texts, model.TokenTexts));
    }

    private static bool HasGapTokens(ServedModel model) => model.Vocabulary.Special is { FimPrefix: >= 0, FimSuffix: >= 0, FimMiddle: >= 0 };

    /// <summary>Prefix, suffix, then the place where the middle is to come.</summary>
    private static ImmutableArray<int> Fill(ServedModel model, (string Prefix, string Suffix, string Extra) gap)
    {
        var special = model.Vocabulary.Special;
        ImmutableArray<int> start = special is { AddBos: true, Bos: >= 0 } ? [special.Bos] : [];
        return
        [
            .. start, .. Text(gap.Extra), special.FimPrefix, .. Text(gap.Prefix), special.FimSuffix, .. Text(gap.Suffix), special.FimMiddle,
        ];

        int[] Text(string text) => text.Length == 0 ? [] : model.Vocabulary.Tokenize(text, addSpecial: false, parseSpecial: false);
    }
}
