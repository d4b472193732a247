using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Responses;

/// <summary>/v1/responses.</summary>
internal sealed class ResponsesEndpoint(WorkerState state, TimeProvider clock)
{
    public async Task ResponsesAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var request = ResponsesRequest.Read(body.RootElement, model.Limits);
        var prompt = model.Tokenize(CompletionEndpoints.Render(model, request.Template));
        var head = new AnswerHead($"resp_{Guid.NewGuid():N}", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
        await new AnswerRun(model, http).RunAsync([request.Answer.ToRequest(prompt, 0)], request.Answer.Stream, new ResponsesFormat(head, request));
    }
}
