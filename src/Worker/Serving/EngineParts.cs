using System.Collections.Immutable;
using System.Security.Cryptography;
using FinerCut.Runtime;
using FinerCut.Worker.Adapters;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Speculation;

namespace FinerCut.Worker.Serving;

/// <summary>Opens what stands beside the model: adapters and the drafter.</summary>
internal sealed class EngineParts(ServeConfig config, ILlamaRuntime runtime, ILogger logger)
{
    /// <exception cref="LlamaException">AdapterNotLoaded.</exception>
    public static AdapterScales OpenAdapters(EngineConfig engine, ILlamaSession session)
    {
        if (engine.Adapters.IsEmpty) return AdapterScales.None;
        var native = session.GetService(typeof(ILoraAdapters)) as ILoraAdapters
            ?? throw new LlamaException(LlamaErrorCode.AdapterNotLoaded, "This runtime has no LoRA adapters.");
        foreach (var (path, _) in engine.Adapters)
        {
            if (ModelVetting.Fault(path, "--lora") is { } fault) throw new LlamaException(LlamaErrorCode.AdapterNotLoaded, $"--lora: {fault}");
        }

        ImmutableArray<LoraAdapter> adapters = [.. engine.Adapters.Select(entry => native.Load(entry.Path))];
        return new AdapterScales(native, adapters, [.. engine.Adapters.Select(entry => entry.Scale)])
        {
            // Read once, and only where sequences may be saved: their files name what they were computed with.
            Fingerprints = engine.SlotFolder is null ? [] : [.. engine.Adapters.Select(entry => Fingerprint(entry.Path))],
        };
    }

    private static string Fingerprint(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>Null where nothing is guessed, or nothing can be: guesses that were wrong must be taken off a sequence's end.</summary>
    /// <exception cref="LlamaException">The draft model cannot be loaded, or does not fit the model.</exception>
    public IDrafter? OpenDrafter(ILlamaModel model, SessionInfo info, MemoryTraits traits)
    {
        if (config.Engine.Speculation is not { } speculation || config.Session.Embeddings) return null;
        if (!traits.PartialRemoval)
        {
            logger.LogWarning("This model's memory cannot be cut, so nothing is guessed ahead");
            return null;
        }

        if (speculation.DraftModel is not { } path) return new NgramDrafter(speculation.NgramSize, speculation.Most);
        if (ModelVetting.Fault(path, "--model-draft") is { } fault) throw new LlamaException(LlamaErrorCode.InvalidOption, $"--model-draft: {fault}");
        var draft = runtime.Load(config.Model with { Path = path, GpuLayers = speculation.DraftGpuLayers }, null, CancellationToken.None);
        try
        {
            if (ModelDrafter.Mismatch(model.Vocabulary, draft.Vocabulary) is { } mismatch)
                throw new LlamaException(LlamaErrorCode.InvalidOption, $"--model-draft {path} does not have the model's vocabulary: {mismatch}.");
            var session = draft.Open(config.Session with
            {
                ContextLength = info.ContextLength,
                // Those that gave way for memory keep theirs.
                MaxSequences = info.MaxSequences,
                MaxOutputs = info.MaxSequences,
                UnifiedKv = true,
            });
            return new ModelDrafter(draft, session, speculation.Most, speculation.Least);
        }
        catch
        {
            draft.Dispose();
            throw;
        }
    }
}
