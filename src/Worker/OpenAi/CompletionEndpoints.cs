using System.Collections.Immutable;
using FinerCut.Worker.Chats;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.OpenAi;

/// <summary>/v1/chat/completions and /v1/completions.</summary>
internal sealed class CompletionEndpoints(WorkerState state, TimeProvider clock)
{
    public async Task ChatAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var request = ChatRequest.Read(body.RootElement, model.Limits);
        var plan = ChatPlan.Build(model, request.Input);
        var format = new ChatFormat(Head(model, "chatcmpl"), request.Answer, plan, model.TokenTexts);
        var generations = Enumerable.Range(0, request.Answer.Choices).Select(choice => request.Answer.ToRequest(plan, choice));
        await new AnswerRun(model, http).RunAsync([.. generations], request.Answer.Stream, format);
    }

    public async Task TextAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var request = TextRequest.Read(body.RootElement, model.Limits);
        var prompts = request.Prompts.Select(prompt => model.TokenizePlain(prompt)).ToArray();
        ImmutableArray<string> echoes = request.Echo ? [.. request.Prompts.Select((prompt, i) => prompt.Text ?? model.Detokenize(prompts[i].AsSpan()))] : [];
        var format = new TextFormat(Head(model, "cmpl"), request.Answer, echoes, model.TokenTexts);
        var generations = prompts.SelectMany(prompt => Enumerable.Range(0, request.Answer.Choices).Select(choice => request.Answer.ToRequest(prompt, choice)));
        await new AnswerRun(model, http).RunAsync([.. generations], request.Answer.Stream, format);
    }

    private AnswerHead Head(ServedModel model, string prefix) => new(
        $"{prefix}-{Guid.NewGuid():N}", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
}
