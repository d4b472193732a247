using System.Collections.Immutable;
using System.Net;
using FinerCut.Runtime;

namespace FinerCut.Worker.Serving;

/// <summary>What <c>serve</c> was told on its command line. Immutable.</summary>
public sealed record ServeConfig
{
    public required ModelOptions Model { get; init; }

    /// <summary>Its context length is 0 for the model's own.</summary>
    public required Runtime.SessionOptions Session { get; init; }

    public required IPAddress Address { get; init; }

    /// <summary>0 = any free one.</summary>
    public required int Port { get; init; }

    /// <summary>Names of the model, the first is its id.</summary>
    public required ImmutableArray<string> Aliases { get; init; }

    public required string Version { get; init; }

    public required ImmutableArray<string> ApiKeys { get; init; }

    /// <summary>Of the keys, in their order; empty = all alike.</summary>
    public required ImmutableArray<double> KeyWeights { get; init; }

    public required int Parallel { get; init; }

    public required int QueueCapacity { get; init; }

    /// <summary>Finished sequences that are kept for their prefix.</summary>
    public required int KeptSequences { get; init; }

    public required int PrefillChunk { get; init; }

    public required uint? Seed { get; init; }

    public required string? ChatTemplateFile { get; init; }

    public required TimeSpan DrainTime { get; init; }

    public required long MaxBodyBytes { get; init; }

    public required bool Supervised { get; init; }

    public required EngineConfig Engine { get; init; }

    /// <summary>With a context length of 0, larger ones than this are not taken by default: KV memory grows with it.</summary>
    public const int LargestDefaultContext = 16384;
}
