namespace FinerCut.Runtime.Native;

/// <summary>A llama_model and its vocabulary.</summary>
internal sealed class LoadedModel : ILlamaModel
{
    private readonly NativeLog _log;
    private volatile bool _disposed;

    private LoadedModel(ModelHandle handle, ModelOptions options, RuntimeInfo runtime, NativeLog log)
    {
        Handle = handle;
        _log = log;
        Adapters = new AdapterShelf(handle, log);
        var vocabulary = new Vocabulary(handle);
        Words = vocabulary;
        Info = ModelFacts.Read(handle, options.Path, vocabulary.Count) with { IsOnGpu = options.GpuLayers != 0 && runtime.SupportsGpu };
    }

    public LlamaModelInfo Info { get; }

    public IVocabulary Vocabulary => Words;

    internal ModelHandle Handle { get; }

    internal Vocabulary Words { get; }

    internal AdapterShelf Adapters { get; }

    internal static LoadedModel Load(ModelOptions options, NativeLog log, RuntimeInfo runtime, IProgress<float>? progress, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        RequireGguf(options.Path);
        // Natives for a GPU that find none fall back to the CPU and have said so; natives without a GPU backend are the wrong ones for what is asked.
        if (options.GpuLayers > 0 && runtime is { SupportsGpu: false, GpuTrouble: null })
        {
            throw new LlamaException(
                LlamaErrorCode.InvalidOption,
                $"{options.GpuLayers} layers are wanted on a GPU, but the loaded natives drive none. Build with -p:LlamaBackend=Cuda or Vulkan (docs/runtimes.md), or set the GPU layers to 0.");
        }

        var watch = new LoadWatch(progress, cancellationToken);
        var stamp = log.Stamp;
        var handle = Llama.Load(options, watch.Report);
        if (handle is not null && watch.Failure is null && !cancellationToken.IsCancellationRequested) return new LoadedModel(handle, options, runtime, log);
        handle?.Dispose();
        cancellationToken.ThrowIfCancellationRequested();
        if (watch.Failure is { } failure)
            throw new LlamaException(LlamaErrorCode.ModelNotLoaded, $"Loading {options.Path} ended because the progress receiver failed.", failure);
        var reason = log.ComplaintsSince(stamp);
        throw new LlamaException(
            LlamaErrorCode.ModelNotLoaded,
            $"llama.cpp does not load {options.Path}: {(reason.Length == 0 ? "no reason given; is there enough memory?" : reason)}");
    }

    public ILlamaSession Open(SessionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Session.Open(this, options, _log);
    }

    public void Dispose()
    {
        _disposed = true;
        Handle.Dispose();
    }

    private static void RequireGguf(string path)
    {
        if (string.IsNullOrEmpty(path)) throw new LlamaException(LlamaErrorCode.ModelNotFound, "The path of the model is empty.");
        if (Directory.Exists(path)) throw new LlamaException(LlamaErrorCode.ModelNotFound, $"{path} is a folder; a GGUF file is expected.");
        if (!File.Exists(path)) throw new LlamaException(LlamaErrorCode.ModelNotFound, $"There is no file {path}.");
        Span<byte> magic = stackalloc byte[4];
        int read;
        try
        {
            using var file = File.OpenRead(path);
            read = file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new LlamaException(LlamaErrorCode.ModelNotLoaded, $"{path} cannot be read: {failure.Message}", failure);
        }

        if (read < magic.Length || !magic.SequenceEqual("GGUF"u8))
        {
            throw new LlamaException(
                LlamaErrorCode.ModelNotLoaded,
                $"{path} is no GGUF file: it starts with {(read == 0 ? "nothing" : Convert.ToHexString(magic[..read]))}, expected 47475546 (\"GGUF\").");
        }
    }

    /// <summary>Receives the loader's progress on the loading thread; never throws.</summary>
    private sealed class LoadWatch(IProgress<float>? progress, CancellationToken cancellationToken)
    {
        internal Exception? Failure { get; private set; }

        internal bool Report(float value)
        {
            try
            {
                progress?.Report(value);
                return !cancellationToken.IsCancellationRequested;
            }
            catch (Exception failure)
            {
                Failure = failure;
                return false;
            }
        }
    }
}
