using FinerCut.Gguf;
using FinerCut.TestModels;

namespace FinerCut.Tests.Serving;

/// <summary>One worker on a tiny random model and one on the real one, for tests that leave no traces.</summary>
public sealed class SharedWorkers : IAsyncLifetime
{
    internal static string TinyPath { get; } = WorkerUnderTest.Tiny(new TinyModel { ContextLength = 2048 }, "tiny.gguf");

    internal static string ExactPath { get; } = WorkerUnderTest.Tiny(new TinyModel { ContextLength = 2048, HeadSize = 32, Weights = GgmlType.Q5_1 }, "exact.gguf");

    internal WorkerUnderTest Tiny { get; private set; } = null!;

    internal WorkerUnderTest Real { get; private set; } = null!;

    /// <summary>
    /// A worker whose logits are the same bits whatever is computed beside them (BatchShapeTests in LlamaRuntime.Tests), as long as it is fresh: sums also
    /// depend on the order of KV cells, and cells that were given up are filled again out of order.
    /// </summary>
    internal static Task<WorkerUnderTest> ExactAsync(params string[] options) => WorkerUnderTest.ReadyAsync(
        ExactPath, ["--cache-type-k", "q8_0", "--cache-type-v", "q8_0", "--flash-attn", "on", "--ctx-size", "8192", "--parallel", "8", "--kept-prefixes", "64", .. options]);

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
