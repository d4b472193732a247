// A chat with a model behind FinerCut.Gateway, by Semantic Kernel. Start the gateway first, then:
//   dotnet run --project samples/SemanticKernelChat                      (a conversation; an empty line ends it)
//   dotnet run --project samples/SemanticKernelChat -- "Why is the sky blue?"
//   dotnet run --project samples/SemanticKernelChat -- --tools      (the model may ask what time it is)
//   dotnet run --project samples/SemanticKernelChat -- --operate    (the model may look at the gateway's versions and, if you agree, start a prune job)
// FINERCUT_URL, FINERCUT_MODEL and FINERCUT_KEY change the address, the model and the key; FCG_ADMIN_KEY is the admin key for --operate. Tools want a model that was taught
// to use them: the embedded one (135 million parameters) calls what it must and little that it may.
using System.ClientModel;
using System.Net.Http.Headers;
using FinerCut.Samples;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

var address = new Uri(Environment.GetEnvironmentVariable("FINERCUT_URL") ?? "http://127.0.0.1:8080/v1");
var model = Environment.GetEnvironmentVariable("FINERCUT_MODEL") ?? "smollm2-135m";
var key = Environment.GetEnvironmentVariable("FINERCUT_KEY") ?? "none";

var kernel = Kernel.CreateBuilder().AddOpenAIChatCompletion(model, address, key).Build();
using var admin = new HttpClient { BaseAddress = address };
var words = args.Where(word => word is not ("--tools" or "--operate")).ToArray();
if (args.Contains("--tools")) kernel.Plugins.AddFromObject(new ClockPlugin(TimeProvider.System), "clock");
if (args.Contains("--operate"))
{
    admin.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Environment.GetEnvironmentVariable("FCG_ADMIN_KEY"));
    kernel.Plugins.AddFromObject(new FinerCutPlugin(admin), "finercut");
    kernel.FunctionInvocationFilters.Add(new AskFirst(what =>
    {
        Console.Write($"\nThe model wants {what}. Enter y to agree: ");
        return Console.ReadLine()?.Trim() is "y" or "yes";
    }));
}

var chat = kernel.GetRequiredService<IChatCompletionService>();
var history = new ChatHistory("You are a helpful assistant. Answer briefly.");
var settings = new OpenAIPromptExecutionSettings { MaxTokens = 200, Temperature = 0.2, FunctionChoiceBehavior = kernel.Plugins.Count > 0 ? FunctionChoiceBehavior.Auto() : null };

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};

try
{
    if (words.Length > 0)
    {
        await AnswerAsync(string.Join(' ', words));
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
