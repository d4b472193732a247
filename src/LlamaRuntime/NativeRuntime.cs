using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace FinerCut.Runtime.Native;

/// <summary>
/// The default adapter: a binding of its own to libllama v0.5.0 (docs/runtimes.md). Thread-safe. Opening it loads the natives, checks their ABI
/// and registers ggml's backends; that happens once a process, later calls share it.
/// </summary>
public sealed class NativeRuntime : ILlamaRuntime
{
    private static readonly Lock Gate = new();
    private static NativeRuntime? _opened;
    private readonly NativeLog _log;

    private NativeRuntime(NativeLog log, RuntimeInfo info)
    {
        _log = log;
        Info = info;
    }

    public RuntimeInfo Info { get; }

    /// <summary>Loads the native library. The first call's logger receives the library's log for the life of the process.</summary>
    /// <exception cref="LlamaException">Natives are missing, do not load, or have another layout than v0.5.0.</exception>
    public static NativeRuntime Open(NativeRuntimeOptions? options = null, ILoggerFactory? loggers = null)
    {
        var folder = (options ?? new NativeRuntimeOptions()).ResolveFolder();
        lock (Gate)
        {
            NativeLibraries.Load(folder);
            return _opened ??= Start(folder, (loggers ?? NullLoggerFactory.Instance).CreateLogger("FinerCut.Runtime.Native"));
        }
    }

    public ILlamaModel Load(ModelOptions options, IProgress<float>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return LoadedModel.Load(options, _log, Info.SupportsGpu, progress, cancellationToken);
    }

    private static unsafe NativeRuntime Start(string folder, ILogger logger)
    {
        AbiCheck.Run(folder);
        var log = new NativeLog(logger);
        log.Install();
        Llama.BackendInit();
        Ggml.BackendLoadAllFromPath(folder);
        if (Ggml.DeviceCount() == 0)
        {
            throw new LlamaException(
                LlamaErrorCode.NativesMissing,
                $"{folder} has libllama but no ggml backend that runs on this processor (libggml-cpu-*). Copy all files of the npm package's bins folder.");
        }

        var info = new RuntimeInfo("Native", Text(Llama.Version()), folder, Text(Llama.PrintSystemInfo()).Trim(), Llama.SupportsGpuOffload());
        logger.LogDebug("llama.cpp {Version} from {Folder}: {System}", info.Version, info.Folder, info.System);
        return new NativeRuntime(log, info);
    }

    private static unsafe string Text(byte* text) =>
        text is null ? string.Empty : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
}
