using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Loop;

/// <summary>The program's verbs as one types them, against the running gateway of the collection.</summary>
[Collection(LeanGateway.Collection)]
public class CommandTests(LeanGateway lean)
{
    [Fact]
    public async Task Models_are_listed_as_a_table_and_as_json()
    {
        var (code, output, _) = await RunAsync("models", "list");
        Assert.Equal(0, code);
        Assert.Contains(output.Split('\n'), line => line.StartsWith($"{Checkout.ModelId}\t{lean.Lean}\t", StringComparison.Ordinal));
        (code, output, _) = await RunAsync("models", "show", Checkout.ModelId, "--json");
        Assert.Equal(0, code);
        Assert.Equal(Checkout.ModelId, JsonNode.Parse(output)!["model"]!.GetValue<string>());
    }

    [Fact]
    public async Task Versions_are_promoted_and_rolled_back()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        if (await lean.ActiveAsync(cancellationToken) != "full") await lean.PromoteAsync("full", cancellationToken);
        Assert.Equal(0, (await RunAsync("models", "promote", Checkout.ModelId, lean.Lean)).Code);
        Assert.Equal(lean.Lean, await lean.ActiveAsync(cancellationToken));
        Assert.Equal(0, (await RunAsync("models", "rollback", Checkout.ModelId)).Code);
        Assert.Equal("full", await lean.ActiveAsync(cancellationToken));
        var (code, _, errors) = await RunAsync("models", "promote", Checkout.ModelId, "lean-99");
        Assert.Equal(2, code);
        Assert.Contains("version_not_found", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_is_made_listed_switched_off_and_deleted()
    {
        var (code, output, errors) = await RunAsync("keys", "create", "typed", "--tokens-per-day", "5000", "--model", "smol*", "--json");
        Assert.True(code == 0, errors);
        var id = JsonNode.Parse(output)!["id"]!.GetValue<string>();
        Assert.StartsWith("fc-", JsonNode.Parse(output)!["key"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("5000", (await RunAsync("keys", "show", id)).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("keys", "disable", id)).Code);
        Assert.True(JsonNode.Parse((await RunAsync("keys", "show", id, "--json")).Output)!["disabled"]!.GetValue<bool>());
        Assert.Equal(0, (await RunAsync("keys", "delete", id)).Code);
        Assert.DoesNotContain(id, (await RunAsync("keys", "list")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_is_shown_and_watched_to_its_end()
    {
        var id = lean.Job["id"]!.GetValue<string>();
        var (code, output, errors) = await RunAsync("jobs", "watch", id);
        Assert.True(code == 0, errors);
        Assert.Contains("mean kl", output, StringComparison.Ordinal);
        Assert.Contains(id, (await RunAsync("jobs", "list")).Output, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync("jobs", "show", "job-999")).Code);
    }

    [Theory]
    [InlineData("modles list", "models")]
    [InlineData("models lst", "list")]
    [InlineData("keys create x --tokens-per-dya 5", "--tokens-per-day")]
    [InlineData("jobs start smollm2-135m --budget half", "bytes:20MB")]
    [InlineData("jobs start smollm2-135m --budget bytes:2% --gate max_mean_kl", "max_mean_kl=0.4")]
    [InlineData("gguf prnue", "did you mean prune?")]
    [InlineData("gguf prune full.gguf --drpo attn:1", "did you mean --drop?")]
    [InlineData("bench model.gguf --thread 1", "did you mean --threads?")]
    [InlineData("demo --stya", "did you mean --stay?")]
    [InlineData("key creat app", "did you mean create?")]
    public async Task A_wrong_word_is_an_error_that_names_the_right_one(string line, string named)
    {
        var (code, output, errors) = await RunAsync(line.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains(named, errors, StringComparison.Ordinal);
        Assert.True(output.Length == 0 && errors.Split('\n').Length == 1, $"more than one line:\n{output}\n{errors}");
    }

    [Theory]
    [InlineData("serve --Listen:Prot 3", "did you mean Listen:Port?")]
    [InlineData("serve --port 3", "did you mean Listen:Port")]
    public async Task A_wrong_setting_is_an_error_that_names_the_right_one(string line, string named)
    {
        var (code, _, errors) = await RunAsync(line.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains(named, errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("finercut jo", "jobs")]
    [InlineData("finercut jobs start --gr", "--grain")]
    [InlineData("finercut gguf in", "inspect")]
    [InlineData("./finercut gguf prune --dr", "--drop")]
    [InlineData("finercut serve --Listen:P", "--Listen:Port")]
    [InlineData("finercut demo --st", "--stay")]
    public async Task Half_a_line_is_completed(string line, string word)
    {
        var (code, output, errors) = await RunAsync($"[suggest:{line.Length}]", line);
        Assert.True(code == 0, errors);
        Assert.Contains(word, output.Split('\n'));
    }

    [Theory]
    [InlineData("serve", "--Models:<id>:ContextSize", "[default: 4096]")]
    [InlineData("demo", "--fraction", "[default: 0.01]")]
    [InlineData("bench", "--rounds", "[default: 5]")]
    [InlineData("gguf prune", "--slices", "[default: 8]")]
    public async Task Help_tells_options_with_their_defaults(string verb, string option, string otherwise)
    {
        var (code, output, _) = await RunAsync([.. verb.Split(' '), "--help"]);
        Assert.Equal(0, code);
        Assert.Contains($"  finercut {verb}", output, StringComparison.Ordinal);
        Assert.Contains(output.Split('\n'), line => line.Contains(option, StringComparison.Ordinal) && line.Contains(otherwise, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_verb_has_a_help_that_says_what_its_options_are()
    {
        var (code, output, _) = await RunAsync("--help");
        Assert.Equal(0, code);
        foreach (var verb in (string[])["serve", "demo", "keys", "models", "jobs", "prune", "gguf", "completion"]) Assert.Contains(verb, output, StringComparison.Ordinal);
        foreach (var verb in (string[])["keys create", "models pull", "models try", "jobs start", "jobs watch"])
        {
            (code, output, _) = await RunAsync([.. verb.Split(' '), "--help"]);
            Assert.Equal(0, code);
            Assert.Contains("Options:", output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_gateway_that_is_not_there_is_said_so()
    {
        await using var process = ChildProcess.Start(Checkout.Gateway, ["models", "list", "--url", "http://127.0.0.1:9"]);
        Assert.Equal(7, await process.WaitForExitAsync(TestContext.Current.CancellationToken));
        Assert.Contains("Is it running?", process.Errors, StringComparison.Ordinal);
    }

    private async Task<(int Code, string Output, string Errors)> RunAsync(params string[] line)
    {
        string[] gateway = line[^1] == "--help" || line[0] is not ("keys" or "models" or "jobs") ? [] : ["--url", lean.Gateway.Address.ToString(), "--admin-key", GatewayProcess.AdminKey];
        await using var process = ChildProcess.Start(Checkout.Gateway, [.. line, .. gateway]);
        return (await process.WaitForExitAsync(TestContext.Current.CancellationToken), process.Output, process.Errors);
    }
}
