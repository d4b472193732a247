using System.Globalization;

namespace FinerCut.Runtime.Native;

/// <summary>One llama_context. All members belong to one thread at a time.</summary>
internal sealed unsafe class Session : ILlamaSession
{
    private readonly LoadedModel _model;
    private readonly ContextHandle _context;
    private readonly DecodeWatch _watch;
    private readonly NativeLog _log;
    private readonly BatchArguments _arguments;
    private readonly Decoder _decoder;
    private readonly SequenceMemory _memory;
    private readonly int[] _firstPositions;
    private readonly int _mostAtOnce;
    private readonly bool _allOutputs;
    private readonly TokenSelection _selection;
    private readonly ComputeThreads? _threads;

    private Session(LoadedModel model, ContextHandle context, DecodeWatch watch, NativeLog log, SessionOptions options)
    {
        _model = model;
        _context = context;
        _watch = watch;
        _log = log;
        _decoder = new Decoder(context);
        _allOutputs = options.Embeddings;
        Info = new SessionInfo(
            (int)Llama.ContextLength(context), (int)Llama.BatchSize(context), (int)Llama.MicroBatchSize(context), (int)Llama.MaxSequences(context),
            Llama.Threads(context), Llama.BatchThreads(context));
        _memory = new SequenceMemory(context, Info.MaxSequences, options.UnifiedKv);
        _firstPositions = new int[Info.MaxSequences];
        _arguments = new BatchArguments(
            Info.BatchSize, model.Words.Count, Info.MaxSequences, options.MaxOutputs == 0 ? Info.BatchSize : Math.Min(options.MaxOutputs, Info.BatchSize));
        // Without a KV cache or a causal mask, and when embeddings are pooled, all tokens of a batch belong together: they must be one micro-batch.
        var together = !_memory.Exists || IsBidirectional(model.Info) || (options.Embeddings && Llama.PoolingType(context) > 0);
        _mostAtOnce = together ? Info.MicroBatchSize : Info.BatchSize;
        _selection = new TokenSelection(model.Words.Count);
        _threads = ComputeThreads.Start(context);
    }

    public SessionInfo Info { get; }

    public ISequenceMemory Memory => _memory;

    internal static Session Open(LoadedModel model, SessionOptions options, NativeLog log)
    {
        var settled = ContextOptions.Settle(options, model.Info);
        var watch = new DecodeWatch(options.GraphObserver, options.Abort);
        var stamp = log.Stamp;
        if (Llama.Open(model.Handle, settled, watch) is { } context) return new Session(model, context, watch, log, options);
        watch.Dispose();
        var reason = log.ComplaintsSince(stamp);
        throw new LlamaException(
            LlamaErrorCode.ContextNotCreated,
            $"A context of {options.ContextLength} tokens for {options.MaxSequences} sequences ({options.KeyType}/{options.ValueType} KV) cannot be made: "
            + (reason.Length == 0 ? "no reason given; is there enough memory?" : reason));
    }

    public DecodeStatus Decode(TokenBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        RequireOpen();
        if (batch.Count > _mostAtOnce)
        {
            throw new LlamaException(
                LlamaErrorCode.InvalidOption, $"The batch has {batch.Count} tokens, the session takes {_mostAtOnce} at once ({(_mostAtOnce < Info.BatchSize ? "MicroBatchSize: this model, or its pooling, takes all of them together" : "BatchSize")}).");
        }

        var native = _arguments.Bind(batch, _allOutputs);
        _watch.Reset();
        var stamp = _log.Stamp;
        int code;
        using (_threads?.Enter()) code = _decoder.Decode(native);
        GC.KeepAlive(batch);
        if (_watch.Stopped || code is not (0 or 1 or -1)) Forget(batch);
        if (_watch.Failure is { } failure)
            throw new LlamaException(LlamaErrorCode.DecodeFailed, "A callback failed during the decode; nothing of the batch was kept.", failure);
        if (_watch.Stopped) return DecodeStatus.Aborted;
        switch (code)
        {
            case 0:
                _arguments.Computed(batch, _allOutputs);
                return DecodeStatus.Done;
            case 1:
                return DecodeStatus.NoSpace;
            case 2:
                return DecodeStatus.Aborted;
            default:
                var reason = _log.ComplaintsSince(stamp);
                throw new LlamaException(
                    code == -1 ? LlamaErrorCode.InvalidOption : LlamaErrorCode.DecodeFailed,
                    $"llama_decode refused a batch of {batch.Count} tokens with code {code}: {(reason.Length == 0 ? "no reason given" : reason)}");
        }
    }

    public ReadOnlySpan<float> Logits(int batchIndex)
    {
        RequireOutput(batchIndex);
        var logits = Llama.LogitsIth(_context, batchIndex);
        return logits is null
            ? throw new InvalidOperationException($"The library has no logits for token {batchIndex} of the last batch.")
            : new ReadOnlySpan<float>(logits, _model.Words.Count);
    }

    public ISampler CreateSampler(SamplerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        RequireOpen();
        return SamplerChain.Create(this, _model, options, _selection, _log);
    }

    public object? GetService(Type serviceType)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        RequireOpen();
        if (serviceType == typeof(IEmbeddings)) return _allOutputs ? new Embeddings(this, _context, _model.Handle) : null;
        if (serviceType == typeof(ISequenceFiles)) return new SequenceFiles(this, _context, _memory, _model.Info, _log);
        if (serviceType == typeof(ILoraAdapters)) return new LoraAdapters(this, _context, _model.Adapters);
        if (serviceType == typeof(IDecodeCounters)) return new PerfCounters(this, _context);
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    public void Dispose()
    {
        _context.Dispose();
        _watch.Dispose();
        _threads?.Dispose();
    }

    internal void RequireOpen() => ObjectDisposedException.ThrowIf(_context.IsClosed, typeof(ILlamaSession));

    /// <summary>Logits and embeddings of the last batch are gone.</summary>
    internal void ForgetOutputs() => _arguments.Forget();

    internal void RequireOutput(int batchIndex)
    {
        RequireOpen();
        if ((uint)batchIndex >= (uint)_arguments.Count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(batchIndex), batchIndex, _arguments.Count == 0 ? "Nothing has been decoded, or the last decode failed." : $"The last batch had {_arguments.Count} tokens.");
        }

        if (!_arguments.HasOutput(batchIndex)) throw new InvalidOperationException($"Token {batchIndex} of the last batch did not ask for logits.");
    }

    /// <summary>
    /// Takes the batch's positions out of memory again: libllama keeps the micro-batches that were done before an abort, and all of them when an
    /// observer ended a graph half-way. Memory that cannot drop a part (recurrent states) loses the sequence.
    /// </summary>
    private void Forget(TokenBatch batch)
    {
        if (!_memory.Exists) return;
        _firstPositions.AsSpan().Fill(int.MaxValue);
        for (var i = 0; i < batch.Count; i++)
        {
            ref var first = ref _firstPositions[batch.Sequences[i]];
            first = Math.Min(first, batch.Positions[i]);
        }

        for (var sequence = 0; sequence < _firstPositions.Length; sequence++)
        {
            var first = _firstPositions[sequence];
            if (first != int.MaxValue && !_memory.Remove(sequence, first, -1)) _memory.Remove(sequence, -1, -1);
        }
    }

    private static bool IsBidirectional(LlamaModelInfo model) =>
        model.Metadata.TryGetValue("general.architecture", out var architecture)
        && model.Metadata.TryGetValue(string.Create(CultureInfo.InvariantCulture, $"{architecture}.attention.causal"), out var causal)
        && causal == "false";
}
