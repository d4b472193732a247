using FinerCut.Runtime;
using FinerCut.Worker.Adapters;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Speculation;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Batching;

/// <summary>What a context is made of, handed to the loop's thread as a whole.</summary>
public sealed record BatchContext(ILlamaSession Session, IVocabulary Vocabulary, SequenceStore Store)
{
    public AdapterScales Adapters { get; init; } = AdapterScales.None;

    /// <summary>Null = nothing is guessed. Needs memory whose end can be cut.</summary>
    public IDrafter? Drafter { get; init; }

    /// <summary>Counts what is computed without the loop's steps; null = nobody counts.</summary>
    public WorkerMeters? Meters { get; init; }

    /// <summary>Most tokens of a batch that may ask for logits.</summary>
    public int Outputs { get; init; } = int.MaxValue;
}
