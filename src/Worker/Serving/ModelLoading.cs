using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Serving;

/// <summary>Makes a <see cref="ServedModel"/> out of a configuration: model, template, context, warm-up, loop.</summary>
internal sealed class ModelLoading(ServeConfig config, ILlamaRuntime runtime, WorkerMeters meters, TimeProvider clock, ILogger logger)
{
    /// <summary>libllama's LLAMA_MAX_SEQ.</summary>
    public const int MostSequences = 256;

    /// <exception cref="LlamaException">The model or its context cannot be made.</exception>
    public ServedModel Load(CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var model = runtime.Load(config.Model, null, cancellationToken);
        try
        {
            var served = Open(model);
            logger.LogInformation(
                "Serving {Model} version {Version}: {Description}, context {Context} of {Cells} cells, {Parallel} sequences, loaded in {Seconds:0.00} s",
                served.Names.Id, served.Names.Version, model.Info.Description, served.Loop.Config.ContextLimit, served.Cells, config.Parallel,
                clock.GetElapsedTime(began).TotalSeconds);
            return served;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private ServedModel Open(ILlamaModel model)
    {
        var template = Compile(model);
        var cells = config.Session.ContextLength > 0
            ? config.Session.ContextLength
            : Math.Min(Math.Max(model.Info.ContextLength, 512), ServeConfig.LargestDefaultContext);
        var sequences = Math.Min(MostSequences, config.Parallel + config.KeptSequences);
        var outputs = sequences + config.Parallel * (config.Engine.Speculation?.Most ?? 0);
        var session = model.Open(config.Session with
        {
            ContextLength = cells,
            MaxSequences = sequences,
            // Embeddings are made of all tokens.
            MaxOutputs = config.Session.Embeddings ? 0 : outputs,
            UnifiedKv = true,
        });
        try
        {
            var info = session.Info;
            var traits = WarmUp(session, model.Vocabulary);
            var loop = new BatchLoop(
                new BatchContext(session, model.Vocabulary, new SequenceStore(session.Memory, info.MaxSequences, info.ContextLength, traits))
                {
                    Adapters = EngineParts.OpenAdapters(config.Engine, session),
                    Drafter = new EngineParts(config, runtime, logger).OpenDrafter(model, info, traits),
                    Meters = meters,
                    Outputs = Math.Min(outputs, info.BatchSize),
                },
                new BatchConfig
                {
                    Parallel = config.Parallel,
                    QueueCapacity = config.QueueCapacity,
                    ShiftsContext = config.Engine.ShiftsContext,
                    ContextLimit = Math.Min(info.ContextLength, Math.Max(model.Info.ContextLength, 16)),
                    Step = new StepLimits(Math.Min(info.BatchSize, info.MicroBatchSize), config.PrefillChunk),
                },
                meters,
                clock);
            var limits = new RequestLimits(
                model.Vocabulary.Count,
                [.. Enumerable.Range(0, model.Vocabulary.Count).Where(model.Vocabulary.IsEndOfGeneration)],
                config.Seed,
                Math.Max(1, config.Parallel + config.QueueCapacity))
            { Adapters = config.Engine.Adapters.Length, Keep = config.Engine.Keep, Sequences = info.MaxSequences };
            var names = new ModelNames(config.Aliases[0], config.Aliases, config.Version, $"{runtime.Info.Adapter}-{runtime.Info.Version}");
            // Asked for before the loop's thread owns the session.
            var pooling = (session.GetService(typeof(IEmbeddings)) as IEmbeddings)?.Pooling;
            loop.Start();
            return new ServedModel(model, names, template, loop, limits, info.ContextLength) { Pooling = config.Session.Embeddings ? pooling : null };
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    private ChatTemplate Compile(ILlamaModel model)
    {
        var tokens = ServedModel.TokensOf(model.Vocabulary);
        if (config.ChatTemplateFile is { } file) return ChatTemplate.Compile(File.ReadAllText(file), tokens, clock);
        try
        {
            var template = ChatTemplate.Compile(model.Info.ChatTemplate, tokens, clock);
            if (template.IsFallback) logger.LogWarning("The file has no chat template: chats are rendered as ChatML. --chat-template-file gives it one");
            return template;
        }
        catch (ChatTemplateException exception)
        {
            logger.LogWarning("The file's chat template does not compile ({Reason}): chats are rendered as ChatML", exception.Message);
            return ChatTemplate.Compile(null, tokens, clock);
        }
    }

    /// <summary>Touches every weight once, and finds out whether the memory can give up the end of a sequence.</summary>
    private MemoryTraits WarmUp(ILlamaSession session, IVocabulary vocabulary)
    {
        var batch = new TokenBatch(2);
        var token = vocabulary.Special.Bos >= 0 ? vocabulary.Special.Bos : Math.Max(0, vocabulary.Special.Eos);
        batch.Add(token, 0, 0, logits: false);
        batch.Add(token, 1, 0, logits: true);
        session.Decode(batch);
        var partial = session.Memory.Remove(0, 1, -1);
        session.Memory.Clear();
        if (!partial) logger.LogInformation("This model's memory cannot be cut: prefixes are reused whole or not at all");
        return new MemoryTraits(partial);
    }
}
