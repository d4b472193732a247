using FinerCut.Worker.Chats;
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
        var request = MessagesRequest.Read(body.RootElement, model.Limits, model.Chats);
        var plan = Plan(model, request);
        var head = new AnswerHead($"msg_{Guid.NewGuid():N}", clock.GetUtcNow().ToUnixTimeSeconds(), model.Names.Id, model.Names.Fingerprint);
        await new AnswerRun(model, http).RunAsync(
            [request.Answer.ToRequest(plan, 0)], request.Answer.Stream, new MessagesFormat(head, request.Answer, plan));
    }

    public async Task CountTokensAsync(HttpContext http)
    {
        var model = state.Require();
        using var body = await http.ReadJsonAsync();
        var count = Plan(model, MessagesRequest.Read(body.RootElement, model.Limits, model.Chats)).Prompt.Length;
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        });
    }

    private static ChatPlan Plan(ServedModel model, MessagesRequest request)
    {
        try
        {
            return ChatPlan.Build(model, request.Input);
        }
        catch (ApiException exception) when (exception.Error.Param is { } path && path.StartsWith("tools[", StringComparison.Ordinal))
        {
            var renamed = AnthropicTools.Rename(path);
            throw new ApiException(exception.Error with { Message = exception.Error.Message.Replace(path, renamed, StringComparison.Ordinal), Param = renamed });
        }
    }
}
