namespace FinerCut.Runtime.Native;

/// <summary>The LoRA adapters that a model has loaded, by full path. They are freed with the model. Thread-safe.</summary>
internal sealed class AdapterShelf(ModelHandle model, NativeLog log)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (LoraAdapter Adapter, nint Address)> _loaded = new(StringComparer.Ordinal);

    internal LoraAdapter Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var full = Path.GetFullPath(path);
        lock (_gate)
        {
            if (_loaded.TryGetValue(full, out var known)) return known.Adapter;
            if (!File.Exists(full)) throw new LlamaException(LlamaErrorCode.AdapterNotLoaded, $"There is no file {full}.");
            var stamp = log.Stamp;
            var address = Llama.AdapterLoad(model, full);
            if (address == 0)
            {
                var reason = log.ComplaintsSince(stamp);
                throw new LlamaException(
                    LlamaErrorCode.AdapterNotLoaded, $"{full} is no LoRA adapter for this model: {(reason.Length == 0 ? "llama.cpp gives no reason" : reason)}");
            }

            var adapter = new LoraAdapter(full, Metadata(address));
            _loaded[full] = (adapter, address);
            return adapter;
        }
    }

    private static unsafe Dictionary<string, string> Metadata(nint adapter) => NativeText.Pairs(
        Llama.AdapterMetaCount(adapter), (index, buffer, size) => Llama.AdapterMetaKey(adapter, index, buffer, size),
        (index, buffer, size) => Llama.AdapterMetaValue(adapter, index, buffer, size));

    /// <exception cref="LlamaException">The adapter was not loaded by this model.</exception>
    internal nint AddressOf(LoraAdapter adapter)
    {
        lock (_gate)
        {
            return _loaded.TryGetValue(adapter.Path, out var known) && ReferenceEquals(known.Adapter, adapter)
                ? known.Address
                : throw new LlamaException(LlamaErrorCode.AdapterNotLoaded, $"{adapter.Path} was not loaded for this model.");
        }
    }
}

/// <summary>Which adapters a session uses.</summary>
internal sealed unsafe class LoraAdapters(Session session, ContextHandle context, AdapterShelf shelf) : ILoraAdapters
{
    public LoraAdapter Load(string path)
    {
        session.RequireOpen();
        return shelf.Load(path);
    }

    public void Use(IReadOnlyList<(LoraAdapter Adapter, float Scale)> adapters)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        session.RequireOpen();
        if (adapters.Any(entry => !float.IsFinite(entry.Scale)))
            throw new LlamaException(LlamaErrorCode.InvalidOption, "The strength of an adapter is not a finite number.");
        var addresses = adapters.Select(entry => shelf.AddressOf(entry.Adapter)).ToArray();
        var scales = adapters.Select(entry => entry.Scale).ToArray();
        fixed (nint* address = addresses)
        fixed (float* scale = scales)
        {
            if (Llama.SetAdapters(context, address, (nuint)addresses.Length, scale) != 0)
                throw new LlamaException(LlamaErrorCode.InvalidOption, "llama.cpp refuses this set of adapters.");
        }
    }
}
