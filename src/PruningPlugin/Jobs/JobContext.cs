using FinerCut.Jobs;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Jobs;

/// <summary>What a job is given.</summary>
internal sealed record JobContext(PruneRequest Request, ILlamaRuntime Runtime, TimeProvider Time, IProgress<PruneProgress> Progress, Action<long>? LimitHeap = null)
{
    /// <summary>Logits may differ by this between the masked model and the file where a GPU takes part: its kernels depend on the matrices' shapes.</summary>
    private const double GpuTolerance = 0.5;

    public int Threads => Request.Threads > 0 ? Request.Threads : Environment.ProcessorCount;

    public double MaxMaskedFileDifference => Request.GpuLayers != 0 && Runtime.Info.SupportsGpu ? GpuTolerance : 0;

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
