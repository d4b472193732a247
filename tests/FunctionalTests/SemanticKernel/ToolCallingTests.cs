using System.ComponentModel;
using FinerCut.FunctionalTests.Hosting;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace FinerCut.FunctionalTests.SemanticKernel;

/// <summary>Semantic Kernel's function calling and structured output against the real gateway.</summary>
[Collection(ServingGateway.Collection)]
public class ToolCallingTests(ServingGateway serving)
{
    private Kernel Build(Weather weather)
    {
        var builder = Kernel.CreateBuilder().AddOpenAIChatCompletion(Checkout.ModelId, new Uri(serving.Gateway.Address, "v1"), "none");
        builder.Plugins.AddFromObject(weather, "weather");
        return builder.Build();
    }

    [Fact]
    public async Task A_required_function_is_called_and_its_result_answered()
    {
        var weather = new Weather();
        var kernel = Build(weather);
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 90, Temperature = 0, FunctionChoiceBehavior = FunctionChoiceBehavior.Required(options: new() { AllowParallelCalls = false }) };
        var history = new ChatHistory();
        history.AddUserMessage("What is the weather in Paris?");
        var answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, kernel, TestContext.Current.CancellationToken);
        Assert.NotEmpty(weather.Asked);
        Assert.Contains(history, message => message.Role == AuthorRole.Tool && message.Content!.Contains("21 degrees", StringComparison.Ordinal));
        Assert.False(string.IsNullOrWhiteSpace(answer.Content));
    }

    [Fact]
    public async Task A_function_is_called_in_a_stream()
    {
        var weather = new Weather();
        var kernel = Build(weather);
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 90, Temperature = 0, FunctionChoiceBehavior = FunctionChoiceBehavior.Required(options: new() { AllowParallelCalls = false }) };
        var history = new ChatHistory();
        history.AddUserMessage("What is the weather in Paris?");
        var text = "";
        await foreach (var piece in kernel.GetRequiredService<IChatCompletionService>().GetStreamingChatMessageContentsAsync(history, settings, kernel, TestContext.Current.CancellationToken)) text += piece.Content;
        Assert.NotEmpty(weather.Asked);
        Assert.False(string.IsNullOrWhiteSpace(text));
    }

    private sealed class Weather
    {
        public List<string> Asked { get; } = [];

        [KernelFunction("get_weather"), Description("The weather of a city.")]
        public string Get([Description("Name of the city.")] string city)
        {
            Asked.Add(city);
            return "Fair, 21 degrees.";
        }
    }
}
