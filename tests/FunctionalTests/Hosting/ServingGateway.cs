using System.Text.Json;

namespace FinerCut.FunctionalTests.Hosting;

/// <summary>A gateway that serves the embedded model, and beside it a worker that embeds, for tests of clients.</summary>
public sealed class ServingGateway : IAsyncLifetime
{
    public const string Collection = "serving gateway";

    private readonly TempFolder _folder = new();
    private ChildProcess _embedder = null!;

    internal GatewayProcess Gateway { get; private set; } = null!;

    /// <summary>Where the worker that embeds listens.</summary>
    internal Uri Embeddings { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        Gateway = await GatewayProcess.StartAsync(
            _folder["state"], cancellationToken, $"--Models:{Checkout.ModelId}:Path", Checkout.Model, $"--Models:{Checkout.ModelId}:Threads", "1");
        _embedder = ChildProcess.Start(
            Checkout.Worker, ["serve", "--model", Checkout.Model, "--alias", Checkout.ModelId, "--port", "0", "--threads", "1", "--embeddings", "--pooling", "mean", "--ctx-size", "512"]);
        var line = await _embedder.WaitForLineAsync(line => line.Contains("listening", StringComparison.Ordinal), cancellationToken);
        Embeddings = new Uri(JsonDocument.Parse(line).RootElement.GetProperty("listening").GetString()!);
        await Gateway.ChatAsync("Hello!", cancellationToken, maxTokens: 1);
    }

    public async ValueTask DisposeAsync()
    {
        await _embedder.DisposeAsync();
        await Gateway.DisposeAsync();
        _folder.Dispose();
    }
}

[CollectionDefinition(ServingGateway.Collection)]
public sealed class ServingGatewayTests : ICollectionFixture<ServingGateway>;
