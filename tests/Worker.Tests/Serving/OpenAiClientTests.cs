using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

namespace FinerCut.Tests.Serving;

/// <summary>The official .NET client, which Semantic Kernel builds on, as users call it.</summary>
[Collection<ServedCollection>]
public class OpenAiClientTests(SharedWorkers workers)
{
    private ChatClient Client => new(
        "gpt-4o", new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = new Uri(workers.Real.Http.BaseAddress!, "/v1"), NetworkTimeout = WorkerUnderTest.Patience });

    [Fact]
    public async Task Completes()
    {
        var completion = (await Client.CompleteChatAsync(
            [new SystemChatMessage("Be brief."), new UserChatMessage("Tell me about cats."), new AssistantChatMessage("Cats purr."), new UserChatMessage("And dogs?")],
            new ChatCompletionOptions { MaxOutputTokenCount = 12, Temperature = 0, StopSequences = { "never" }, IncludeLogProbabilities = true, TopLogProbabilityCount = 2, EndUserId = "me" })).Value;
        Assert.True(completion.FinishReason is ChatFinishReason.Length or ChatFinishReason.Stop);
        Assert.InRange(completion.Usage.OutputTokenCount, 1, 12);
        Assert.NotEmpty(completion.Content[0].Text);
        Assert.InRange(completion.ContentTokenLogProbabilities.Count, 1, 12);
    }

    [Fact]
    public async Task Streams()
    {
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 10, Temperature = 0 };
        // A prompt whose answer the model does not waver about (0.6 nats to the second choice): batches of another shape round otherwise.
        var whole = (await Client.CompleteChatAsync([new UserChatMessage("What is 2+2?")], options)).Value.Content[0].Text;
        var text = "";
        ChatFinishReason? finish = null;
        ChatTokenUsage? usage = null;
        await foreach (var update in Client.CompleteChatStreamingAsync([new UserChatMessage("What is 2+2?")], options))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            finish ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.Equal(whole, text);
        Assert.Equal(ChatFinishReason.Length, finish);
        Assert.Equal(10, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task ErrorsReachTheCaller()
    {
        var exception = await Assert.ThrowsAsync<ClientResultException>(
            () => Client.CompleteChatAsync([new UserChatMessage("hi")], new ChatCompletionOptions { Temperature = -1 }));
        Assert.Equal(400, exception.Status);
        Assert.Contains("temperature", exception.Message, StringComparison.Ordinal);
    }
}
