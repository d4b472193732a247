using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FinerCut.Runtime.Native;

/// <summary>
/// The runtime of this build: over a binding of its own to libllama, or over LLamaSharp's (docs/runtimes.md). Thread-safe. Opening it loads the natives,
/// checks their ABI and registers ggml's backends; that happens once a process, later calls share it.
/// </summary>
public sealed class NativeRuntime : ILlamaRuntime
{
    private static readonly Lock Gate = new();

    /// <summary>One load at a time: ggml's Vulkan backend makes its buffer types at the first, without a lock (ggml-vulkan.cpp, ggml_backend_vk_host_buffer_type), and two at once ended the process.</summary>
    private static readonly SemaphoreSlim GpuLoad = new(1);
    private static NativeRuntime? _opened;
    private readonly NativeLog _log;

    private NativeRuntime(NativeLog log, RuntimeInfo info)
    {
        _log = log;
        Info = info;
    }

    public RuntimeInfo Info { get; }

    /// <summary>Loads the native library. The first call's logger receives the library's log for the life of the process.</summary>
    /// <exception cref="LlamaException">Natives are missing, do not load, or have another layout than this adapter's release.</exception>
    public static NativeRuntime Open(NativeRuntimeOptions? options = null, ILoggerFactory? loggers = null)
    {
        var wanted = (options ?? new NativeRuntimeOptions()).WantedFolder();
        var logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger("FinerCut.Runtime.Native");
        lock (Gate)
        {
            var log = new NativeLog(logger);
            var folder = NativeLibraries.Load(wanted, log);
            return _opened ??= Start(folder, log, logger);
        }
    }

    public ILlamaModel Load(ModelOptions options, IProgress<float>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.GpuLayers == 0 || !Info.SupportsGpu) return LoadedModel.Load(options, _log, Info, progress, cancellationToken);
        GpuLoad.Wait(cancellationToken);
        try
        {
            return LoadedModel.Load(options, _log, Info, progress, cancellationToken);
        }
        finally
        {
            GpuLoad.Release();
        }
    }

    private static NativeRuntime Start(string folder, NativeLog log, ILogger logger)
    {
        AbiCheck.Run(folder);
        var (adapter, version) = Llama.Start(folder, log);
        if (Ggml.DeviceCount() == 0)
        {
            throw new LlamaException(
                LlamaErrorCode.NativesMissing,
                $"{folder} has libllama but no ggml backend that runs on this processor (libggml-cpu*). Copy all files that lie beside it.");
        }

        var gpu = Llama.SupportsGpuOffload();
        var info = new RuntimeInfo(adapter, version, folder, Llama.SystemInfo().Trim(), gpu) { GpuTrouble = gpu ? null : GpuBackends.Trouble(folder) };
        logger.LogDebug("llama.cpp {Version} from {Folder}: {System}", info.Version, info.Folder, info.System);
        if (info.GpuTrouble is not null) logger.LogWarning("The natives in {Folder} drive no GPU here, so everything is computed on the CPU: {Trouble}", folder, info.GpuTrouble);
        return new NativeRuntime(log, info);
    }
}
