using FinerCut.Worker.Chats;
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
        var request = ResponsesRequest.Read(body.RootElement, model.Limits, model.Chats);
        var plan = Plan(model, request);
        var head = new AnswerHead($"resp_{Guid.NewGuid():N}", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
        await new AnswerRun(model, http).RunAsync([request.Answer.ToRequest(plan, 0)], request.Answer.Stream, new ResponsesFormat(new ResponseJson(head, request), plan));
    }

    private static ChatPlan Plan(ServedModel model, ResponsesRequest request)
    {
        try
        {
            return ChatPlan.Build(model, request.Input);
        }
        catch (ApiException exception) when (exception.Error.Param is { } path && path.StartsWith("tools[", StringComparison.Ordinal))
        {
            var renamed = ResponseTools.Rename(path);
            throw new ApiException(exception.Error with { Message = exception.Error.Message.Replace(path, renamed, StringComparison.Ordinal), Param = renamed });
        }
    }
}
