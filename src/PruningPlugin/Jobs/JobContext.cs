using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Jobs;

/// <summary>What a job is given.</summary>
internal sealed record JobContext(PruneRequest Request, ILlamaRuntime Runtime, TimeProvider Time, IProgress<PruneProgress> Progress, Action<long>? LimitHeap = null)
{
    public int Threads => Request.Threads > 0 ? Request.Threads : Environment.ProcessorCount;

    /// <summary>Whether masked model and file agree to the last bit where nothing is reordered: a GPU's kernels depend on the matrices' shapes, and on which layers are its own.</summary>
    public bool IsExact => Request.GpuLayers == 0;

    /// <summary>For the result's reader, from before the search.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>
    /// The same on the processor, where a GPU is asked for as far as there is one and there is none: so all that is planned and kept of the job is that of what computes it. A number of layers of natives
    /// without a GPU backend stays, and is refused when they are loaded.
    /// </summary>
    public JobContext OnWhatIsThere() => Request.GpuLayers == 0 || Runtime.Info.SupportsGpu || (Request.GpuLayers > 0 && Runtime.Info.GpuTrouble is null)
        ? this
        : this with { Request = Request with { GpuLayers = 0 }, Notes = [.. Notes, "gpu_layers: no GPU was found, so the processor computed all (docs/runtimes.md)."] };

    /// <summary>Full and lean model lie where the request wants them: they are compared.</summary>
    public ILlamaModel Load(string path, CancellationToken cancellationToken) =>
        Runtime.Load(new ModelOptions { Path = path, GpuLayers = Request.GpuLayers }, null, cancellationToken);
}

/// <summary>Telling a full disk from other trouble.</summary>
internal static class DiskSpace
{
    private const int NoSpace = 28;
    private const int QuotaExceeded = 122;
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    public static bool IsFull(IOException failure) => failure.HResult is NoSpace or QuotaExceeded or WindowsDiskFull;
}
