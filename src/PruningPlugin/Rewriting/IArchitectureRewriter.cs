using System.Collections.Frozen;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Turns a model of one architecture and a mask into a lean file that stock llama.cpp loads. Stateless and thread-safe.</summary>
public interface IArchitectureRewriter
{
    /// <summary>general.architecture of the models that it takes.</summary>
    string Architecture { get; }

    /// <summary>
    /// Plans the file. Its logits are those of the full model under the mask, within <see cref="Rewriters.ToleranceOf"/> on the CPU. Nothing is
    /// written yet; the source must stay open until then. What is <paramref name="healed"/> is in it, within its types' rounding.
    /// </summary>
    /// <exception cref="Shapes.UnsupportedModelException">What the mask removes cannot be left out; the message names it.</exception>
    GgufEdit Plan(GgufShards source, CutMask mask, Provenance provenance, HealedModel? healed = null);

    /// <summary>The same for a model that lies in one file.</summary>
    GgufEdit Plan(GgufFile source, CutMask mask, Provenance provenance, HealedModel? healed = null) => Plan(GgufShards.Of(source), mask, provenance, healed);
}

/// <summary>The rewriters there are.</summary>
public static class Rewriters
{
    /// <summary>Where blocks may differ and sublayers be packed; all others lose whole blocks.</summary>
    private static readonly FrozenSet<string> Packed = new[] { "llama", "mistral3", "granite", "granitemoe", "qwen2", "qwen3", "qwen3moe", "phi3" }.ToFrozenSet();

    /// <exception cref="Shapes.UnsupportedModelException">There is none for the architecture; the message says why.</exception>
    public static IArchitectureRewriter For(string architecture)
    {
        ArgumentNullException.ThrowIfNull(architecture);
        if (Packed.Contains(architecture)) return new PackingRewriter(architecture);
        Shapes.DecoderRules.Require(architecture);
        return new BlockRewriter(architecture);
    }

    /// <summary>
    /// Largest difference of a logit between masked model and file that the rewriting itself makes on the CPU: 0 but where heads are reordered
    /// for another kind of RoPE.
    /// </summary>
    /// <param name="source">The full model.</param>
    /// <param name="leanArchitecture">general.architecture of the file.</param>
    public static double ToleranceOf(GgufModel source, string leanArchitecture)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.Architecture == leanArchitecture ? 0 : Shapes.LeanForm.Of(source).Tolerance;
    }
}
