using FinerCut.FunctionalTests.Hosting;
using FinerCut.Samples;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace FinerCut.FunctionalTests.SemanticKernel;

/// <summary>The sample's plugin for agents, against the real gateway: called by hand, and by the model that the gateway serves.</summary>
[Collection(LeanGateway.Collection)]
public class OperatorTests(LeanGateway lean)
{
    private readonly List<string> _asked = [];

    private Kernel Build(bool agrees)
    {
        var builder = Kernel.CreateBuilder().AddOpenAIChatCompletion(Checkout.ModelId, new Uri(lean.Gateway.Address, "v1"), "none");
        builder.Plugins.AddFromObject(new FinerCutPlugin(lean.Gateway.Admin), "finercut");
        var kernel = builder.Build();
        kernel.FunctionInvocationFilters.Add(new AskFirst(what =>
        {
            _asked.Add(what);
            return agrees;
        }));
        return kernel;
    }

    [Fact]
    public async Task Versions_recordings_and_jobs_are_told()
    {
        var kernel = Build(agrees: true);
        var models = await CallAsync(kernel, "list_models");
        Assert.Contains($"{Checkout.ModelId} {lean.Lean}: ", models, StringComparison.Ordinal);
        Assert.Contains("serves", models, StringComparison.Ordinal);
        Assert.Contains("Recording is on", await CallAsync(kernel, "recording_status", ("model", Checkout.ModelId)), StringComparison.Ordinal);
        var job = await CallAsync(kernel, "job_status", ("job", lean.Job["id"]!.GetValue<string>()));
        Assert.Contains("passed", job, StringComparison.Ordinal);
        Assert.Contains("kept", job, StringComparison.Ordinal);
        Assert.StartsWith("Refused: There is no such job", await CallAsync(kernel, "job_status", ("job", "job-999")), StringComparison.Ordinal);
        Assert.Empty(_asked);
    }

    [Fact]
    public async Task A_job_begins_only_when_a_person_agrees()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var before = (await lean.Gateway.AdminGetAsync("/admin/jobs", cancellationToken))["jobs"]!.AsArray().Count;
        Assert.Contains("nothing was begun", await CallAsync(Build(agrees: false), "start_prune_job", ("model", Checkout.ModelId), ("percent", 2)), StringComparison.Ordinal);
        Assert.Equal(before, (await lean.Gateway.AdminGetAsync("/admin/jobs", cancellationToken))["jobs"]!.AsArray().Count);
        var begun = await CallAsync(Build(agrees: true), "start_prune_job", ("model", Checkout.ModelId), ("percent", 2));
        var id = begun.Split(' ')[0];
        Assert.StartsWith("job-", id, StringComparison.Ordinal);
        Assert.Equal(2, _asked.Count);
        using var cancelled = await lean.Gateway.Admin.DeleteAsync(new Uri($"/admin/jobs/{id}", UriKind.Relative), cancellationToken);
        await lean.Gateway.WaitForAsync($"/admin/jobs/{id}", job => job["state"]!.GetValue<string>() is not ("queued" or "running"), TimeSpan.FromMinutes(5), cancellationToken);
        Assert.Contains("cancelled", await CallAsync(Build(agrees: true), "job_status", ("job", id)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_served_model_calls_it()
    {
        var kernel = Build(agrees: false);
        var list = kernel.Plugins["finercut"]["list_models"];
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 60, Temperature = 0, FunctionChoiceBehavior = FunctionChoiceBehavior.Required([list], options: new() { AllowParallelCalls = false }) };
        var history = new ChatHistory();
        history.AddUserMessage("Which versions are there?");
        await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, kernel, TestContext.Current.CancellationToken);
        Assert.Contains(history, message => message.Role == AuthorRole.Tool && message.Content!.Contains(lean.Lean, StringComparison.Ordinal));
    }

    private static async Task<string> CallAsync(Kernel kernel, string function, params (string Name, object Value)[] arguments)
    {
        var given = new KernelArguments();
        foreach (var (name, value) in arguments) given[name] = value;
        return (await kernel.InvokeAsync("finercut", function, given, TestContext.Current.CancellationToken)).GetValue<string>()!;
    }
}
