using System.Collections.Frozen;
using FinerCut.Gguf;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Pruning.Rewriting;

/// <summary>
/// Keys with a value for each block. llama.cpp v0.5.0 refuses arrays of another length than block_count (get_key_or_arr), or reads the values
/// of other blocks (get_arr).
/// </summary>
internal static class PerLayerKeys
{
    private static readonly FrozenSet<string> Known = new[]
    {
        "feed_forward_length", "expert_feed_forward_length", "expert_used_count", "attention.head_count", "attention.head_count_kv", "attention.sliding_window_pattern",
        "attention.recurrent_layers", "attention.rope_pattern", "attention.compress_ratios", "attention.indexer.types", "swiglu_clamp_exp", "swiglu_clamp_shexp",
        "xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps",
    }.ToFrozenSet();

    /// <summary>Arrays that have as many values as a model may have blocks, but not one a block.</summary>
    private static readonly FrozenSet<string> Others = new[] { "rope.dimension_sections", "classifier.output_labels", "rope.scaling.short_factor", "rope.scaling.long_factor" }.ToFrozenSet();

    /// <summary>Leaves the values of kept blocks in all arrays that have one a block.</summary>
    /// <param name="edit">The lean file.</param>
    /// <param name="source">The full model.</param>
    /// <param name="blocks">Which block's attention and FFN stand at each place.</param>
    /// <exception cref="UnsupportedModelException">An array has a value a block, and it is not known what for.</exception>
    public static void Cut(GgufEdit edit, GgufModel source, IReadOnlyCollection<PackedBlock> blocks)
    {
        RefuseUnknown(source, [.. Known]);
        var ofAttention = blocks.Select(block => block.Attention ?? block.Ffn!.Value).ToArray();
        var ofFfn = blocks.Select(block => block.Ffn ?? block.Attention!.Value).ToArray();
        foreach (var (key, value) in edit.KeyValues.ToArray())
        {
            // Some arrays leave out the blocks at the end that predict further tokens.
            if (!value.IsArray || !Known.Contains(NameOf(source, key))) continue;
            var indices = NameOf(source, key).Contains("feed_forward", StringComparison.Ordinal) ? ofFfn : ofAttention;
            edit.Set(key, value.Pick([.. indices.Where(index => index < value.Count)]));
        }
    }

    /// <exception cref="UnsupportedModelException">An array other than the given ones has as many values as there are blocks.</exception>
    public static void RefuseUnknown(GgufModel source, params ReadOnlySpan<string> known)
    {
        var blocks = source.GetInt32($"{source.Architecture}.block_count");
        foreach (var (key, value) in source.KeyValues)
        {
            var name = NameOf(source, key);
            if (!value.IsArray || value.Count != blocks || (name == key && !key.StartsWith("xielu.", StringComparison.Ordinal)) || known.Contains(name) || Others.Contains(name)) continue;
            throw new UnsupportedModelException($"The key {key} holds a value for each block, and it is not known which ones a lean file would keep.");
        }
    }

    /// <summary>The key without its architecture; the key itself where it is no key of it.</summary>
    private static string NameOf(GgufModel source, string key) =>
        key.StartsWith($"{source.Architecture}.", StringComparison.Ordinal) ? key[(source.Architecture!.Length + 1)..] : key;
}
