using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Masks;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Turns a model of one architecture and a mask into a lean file that stock llama.cpp loads. Stateless and thread-safe.</summary>
public interface IArchitectureRewriter
{
    /// <summary>general.architecture of the models that it takes.</summary>
    string Architecture { get; }

    /// <summary>Plans the file. Its logits are those of the full model under the mask, bit by bit on the CPU. Nothing is written yet.</summary>
    /// <exception cref="Shapes.UnsupportedModelException">What the mask removes cannot be left out; the message names it.</exception>
    GgufEdit Plan(GgufFile source, CutMask mask, Provenance provenance);
}

/// <summary>Where a lean file comes from; written into it under finercut.*.</summary>
/// <param name="ParentSha256">Of the full model's file.</param>
/// <param name="Removed">Steps in their order: what each one removed.</param>
/// <param name="Distances">After each step.</param>
/// <param name="Method">Search and distance, such as lazy_greedy/jensen_shannon.</param>
public sealed record Provenance(string ParentSha256, ImmutableArray<string> Removed, ImmutableArray<double> Distances, string Method);

/// <summary>The rewriters there are.</summary>
public static class Rewriters
{
    private static readonly ImmutableArray<IArchitectureRewriter> All = [new LlamaRewriter()];

    /// <exception cref="Shapes.UnsupportedModelException">There is none for the architecture.</exception>
    public static IArchitectureRewriter For(string architecture) =>
        All.FirstOrDefault(rewriter => rewriter.Architecture == architecture)
        ?? throw new Shapes.UnsupportedModelException(
            $"Models of the architecture {architecture} cannot be rewritten; supported: {string.Join(", ", All.Select(rewriter => rewriter.Architecture))}.");
}
