using FinerCut.FunctionalTests.Hosting;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace FinerCut.FunctionalTests.SemanticKernel;

/// <summary>Semantic Kernel's OpenAI connector as teams use it, against the real gateway.</summary>
[Collection(LeanGateway.Collection)]
public class SemanticKernelTests(LeanGateway lean)
{
    private static readonly OpenAIPromptExecutionSettings Settings = new() { MaxTokens = 24, Temperature = 0 };

    private IChatCompletionService Chat() => Kernel.CreateBuilder()
        .AddOpenAIChatCompletion(Checkout.ModelId, new Uri(lean.Gateway.Address, "v1"), "none").Build().GetRequiredService<IChatCompletionService>();

    private static ChatHistory Question(string question)
    {
        var history = new ChatHistory("Answer briefly.");
        history.AddUserMessage(question);
        return history;
    }

    [Fact]
    public async Task Blocking_and_streaming_give_the_same_text()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var chat = Chat();

        // The first request computes the prompt in one batch, later ones find it cached: other batch shapes round differently, so it does not count.
        await chat.GetChatMessageContentAsync(Question("What is the capital of France?"), Settings, cancellationToken: cancellationToken);
        var blocking = await chat.GetChatMessageContentAsync(Question("What is the capital of France?"), Settings, cancellationToken: cancellationToken);
        var streamed = "";
        await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(Question("What is the capital of France?"), Settings, cancellationToken: cancellationToken)) streamed += piece.Content;
        Assert.False(string.IsNullOrWhiteSpace(blocking.Content));
        Assert.Equal(blocking.Content, streamed);
        Assert.NotNull(blocking.Metadata!["Usage"]);
        Assert.Contains(blocking.Metadata["FinishReason"]!.ToString(), (string[])["Stop", "Length"]);
    }

    [Fact]
    public async Task A_cancelled_stream_frees_its_place()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 2000, Temperature = 0 };
        var pieces = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var piece in Chat().GetStreamingChatMessageContentsAsync(Question("Tell a very long story about a ship."), settings, cancellationToken: cancel.Token))
            {
                if (++pieces == 5) await cancel.CancelAsync();
            }
        });
        await lean.Gateway.WaitForAsync(
            "/admin/workers",
            view => view["workers"]!.AsArray().All(worker => worker!["in_flight"]?.GetValue<int>() is null or 0),
            TimeSpan.FromMinutes(2),
            cancellationToken);
    }

    [Fact]
    public async Task A_stream_that_is_open_during_a_swap_ends_well()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 120, Temperature = 0 };
        var (text, swap) = ("", (Task?)null);
        await foreach (var piece in Chat().GetStreamingChatMessageContentsAsync(Question("Tell a story about a ship."), settings, cancellationToken: cancellationToken))
        {
            text += piece.Content;
            swap ??= SwapAsync();
        }

        await swap!;
        Assert.True(text.Length > 40, text);
        var after = await Chat().GetChatMessageContentAsync(Question("Say hello."), Settings, cancellationToken: cancellationToken);
        Assert.False(string.IsNullOrWhiteSpace(after.Content));

        async Task SwapAsync() => await lean.PromoteAsync(await lean.ActiveAsync(cancellationToken) == lean.Lean ? "full" : lean.Lean, cancellationToken);
    }

    [Fact]
    public async Task A_wrong_model_is_a_clear_refusal()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var chat = Kernel.CreateBuilder().AddOpenAIChatCompletion("no-such-model", new Uri(lean.Gateway.Address, "v1"), "none").Build().GetRequiredService<IChatCompletionService>();
        var refused = await Assert.ThrowsAsync<HttpOperationException>(() => chat.GetChatMessageContentAsync(Question("Hello?"), Settings, cancellationToken: cancellationToken));
        Assert.Equal(System.Net.HttpStatusCode.NotFound, refused.StatusCode);
        Assert.Contains(Checkout.ModelId, refused.Message, StringComparison.Ordinal);
    }
}
