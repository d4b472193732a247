using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

/// <summary>One worker on a tiny random model and one on the real one, for tests that leave no traces.</summary>
public sealed class SharedWorkers : IAsyncLifetime
{
    internal static string TinyPath { get; } = WorkerUnderTest.Tiny(new TinyModel { ContextLength = 2048 }, "tiny.gguf");

    internal WorkerUnderTest Tiny { get; private set; } = null!;

    internal WorkerUnderTest Real { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Tiny = await WorkerUnderTest.ReadyAsync(TinyPath, "--parallel", "8", "--alias", "tiny,small", "--version-id", "v7");
        Real = await WorkerUnderTest.ReadyAsync(WorkerUnderTest.RealModel, "--parallel", "8", "--ctx-size", "4096");
    }

    public async ValueTask DisposeAsync()
    {
        await Tiny.DisposeAsync();
        await Real.DisposeAsync();
    }
}

[CollectionDefinition]
public sealed class ServedCollection : ICollectionFixture<SharedWorkers>;
