using System.Collections.Immutable;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Anthropic;

/// <summary>/v1/messages and /v1/messages/count_tokens.</summary>
internal sealed class MessagesEndpoints(WorkerState state, TimeProvider clock)
{
    public async Task MessagesAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var request = MessagesRequest.Read(body.RootElement, model.Limits);
        var prompt = Prompt(model, request);
        var head = new AnswerHead($"msg_{Guid.NewGuid():N}", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
        await new AnswerRun(model, http).RunAsync(
            [request.Answer.ToRequest(prompt, 0)], request.Answer.Stream, new MessagesFormat(head, request.Answer, prompt.Length));
    }

    public async Task CountTokensAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var count = Prompt(model, MessagesRequest.Read(body.RootElement, model.Limits)).Length;
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        });
    }

    private static ImmutableArray<int> Prompt(ServedModel model, MessagesRequest request) =>
        model.Tokenize(CompletionEndpoints.Render(model, request.Template) + request.Prefill);
}
