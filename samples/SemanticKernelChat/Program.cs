// A chat with a model behind FinerCut.Gateway, by Semantic Kernel. Start the gateway first, then:
//   dotnet run --project samples/SemanticKernelChat                      (a conversation; an empty line ends it)
//   dotnet run --project samples/SemanticKernelChat -- "Why is the sky blue?"
// FINERCUT_URL, FINERCUT_MODEL and FINERCUT_KEY change the address, the model and the key.
using System.ClientModel;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

var address = new Uri(Environment.GetEnvironmentVariable("FINERCUT_URL") ?? "http://127.0.0.1:8080/v1");
var model = Environment.GetEnvironmentVariable("FINERCUT_MODEL") ?? "smollm2-135m";
var key = Environment.GetEnvironmentVariable("FINERCUT_KEY") ?? "none";

var kernel = Kernel.CreateBuilder().AddOpenAIChatCompletion(model, address, key).Build();
var chat = kernel.GetRequiredService<IChatCompletionService>();
var history = new ChatHistory("You are a helpful assistant. Answer briefly.");
var settings = new OpenAIPromptExecutionSettings { MaxTokens = 200, Temperature = 0.2 };

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

try
{
    if (args.Length > 0)
    {
        await AnswerAsync(string.Join(' ', args));
        return 0;
    }

    Console.WriteLine($"{model} at {address}. An empty line ends the conversation.");
    while (true)
    {
        Console.Write("> ");
        var line = Console.ReadLine();
        if (string.IsNullOrWhiteSpace(line)) return 0;
        await AnswerAsync(line);
    }
}
catch (Exception exception) when (Refusal(exception) is { } refused)
{
    Console.Error.WriteLine(refused.Status == 0
        ? $"No answer from {address}. Is the gateway running? ({refused.Message})"
        : $"The gateway refused ({refused.Status}): {refused.Message}");
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}

async Task AnswerAsync(string question)
{
    history.AddUserMessage(question);
    var answer = new System.Text.StringBuilder();
    await foreach (var chunk in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel, stop.Token))
    {
        Console.Write(chunk.Content);
        answer.Append(chunk.Content);
    }

    Console.WriteLine();
    history.AddAssistantMessage(answer.ToString());
}

// Blocking calls wrap the client's exception, streams let it through.
static ClientResultException? Refusal(Exception? exception) => exception as ClientResultException ?? (exception as HttpOperationException)?.InnerException as ClientResultException;
