namespace FinerCut.Worker.Batching;

/// <summary>How the batch loop shares the context. Immutable.</summary>
public sealed record BatchConfig
{
    /// <summary>Sequences at work at once.</summary>
    public required int Parallel { get; init; }

    /// <summary>Requests that may wait beyond those at work; more are refused.</summary>
    public required int QueueCapacity { get; init; }

    /// <summary>Most tokens of one sequence, prompt and answer together.</summary>
    public required int ContextLimit { get; init; }

    /// <summary>Forget the middle where an answer outgrows its context, instead of ending it.</summary>
    public bool ShiftsContext { get; init; }

    public required StepLimits Step { get; init; }
}
