using System.Diagnostics;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.JsClients;

/// <summary>The clients that JavaScript programs use, each in a Node process of its own: chat, streams, tools, structured output, embeddings, abort.</summary>
[Collection(ServingGateway.Collection)]
public class JsClientTests(ServingGateway serving)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    [Theory]
    [InlineData("openai", 11)]
    [InlineData("ai-sdk", 7)]
    [InlineData("langchain", 7)]
    public async Task A_client_finds_what_it_expects(string client, int checks)
    {
        var start = new ProcessStartInfo("node", [$"{client}.mjs"])
        {
            WorkingDirectory = Path.Combine(Checkout.Root, "tests", "FunctionalTests", "JsClients"), RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["FINERCUT_BASE"] = new Uri(serving.Gateway.Address, "v1").ToString();
        start.Environment["FINERCUT_EMBEDDINGS"] = new Uri(serving.Embeddings, "v1").ToString();
        start.Environment["FINERCUT_MODEL"] = Checkout.ModelId;
        using var node = Process.Start(start)!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(Patience);
        try
        {
            var output = node.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = node.StandardError.ReadToEndAsync(deadline.Token);
            await node.WaitForExitAsync(deadline.Token);
            var text = await output;
            Assert.True(node.ExitCode == 0, $"{text}\n{await errors}\n{serving.Gateway.Process.Errors}");
            Assert.Equal(checks, text.Split('\n').Count(line => line.StartsWith("ok ", StringComparison.Ordinal)));
        }
        finally
        {
            if (!node.HasExited) node.Kill(entireProcessTree: true);
        }
    }
}
