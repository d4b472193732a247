using System.Collections.Immutable;

namespace FinerCut.Worker.Serving;

/// <summary>What the engine does beside answering. Immutable.</summary>
/// <param name="Adapters">LoRA files with their strength for requests that name none.</param>
/// <param name="SlotFolder">Where sequences are saved; null = nowhere.</param>
/// <param name="ShiftsContext">Forget the middle where an answer outgrows its context, instead of ending it.</param>
/// <param name="Keep">Tokens at the beginning that stay then; -1 = the prompt.</param>
/// <param name="SleepAfter">Without requests for so long the model is unloaded until the next; null = never.</param>
public sealed record EngineConfig(ImmutableArray<(string Path, float Scale)> Adapters, string? SlotFolder, bool ShiftsContext, int Keep, TimeSpan? SleepAfter)
{
    /// <summary>Null = nothing is guessed.</summary>
    public SpeculationConfig? Speculation { get; init; }
}

/// <summary>How answers are guessed ahead. Immutable.</summary>
/// <param name="DraftModel">A GGUF with the same vocabulary; null = prompt lookup.</param>
/// <param name="DraftGpuLayers">As --n-gpu-layers.</param>
/// <param name="Most">Tokens guessed at once.</param>
/// <param name="Least">Probability below which the draft model's guess is not taken up.</param>
/// <param name="NgramSize">Tokens that prompt lookup looks for.</param>
public sealed record SpeculationConfig(string? DraftModel, int DraftGpuLayers, int Most, float Least, int NgramSize);
