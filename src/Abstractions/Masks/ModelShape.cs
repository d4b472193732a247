using System.Collections.Immutable;

namespace FinerCut.Masks;

/// <summary>What pruning needs to know of a block.</summary>
/// <param name="HeadCount">Query heads; 0 where the block has no attention.</param>
/// <param name="KvGroupCount">KV heads, each with the query heads that share it; 0 where the block has no attention (or a linear one).</param>
/// <param name="FfnLength">Channels of the FFN; 0 where the block has none.</param>
/// <param name="AttentionBytes">Bytes of the attention's tensors in the file, its norm included.</param>
/// <param name="FfnBytes">Bytes of the FFN's tensors in the file, its norm included.</param>
public sealed record BlockShape(int HeadCount, int KvGroupCount, int FfnLength, long AttentionBytes, long FfnBytes);

/// <summary>A decoder's shape as read from its file. Immutable.</summary>
/// <param name="Architecture">general.architecture.</param>
/// <param name="HeadLength">Elements of one head.</param>
/// <param name="TensorBytes">Bytes of all tensors of the file.</param>
public sealed record ModelShape(
    string Architecture,
    int EmbeddingLength,
    int HeadLength,
    int VocabularySize,
    ImmutableArray<BlockShape> Blocks,
    long TensorBytes)
{
    /// <summary>
    /// Whether a sublayer can be left out of a file without the rest of its block. Where not, whole blocks can: the architecture's blocks
    /// are alike.
    /// </summary>
    public bool SublayersAlone { get; init; } = true;

    /// <summary>Whether FFNs of a file may differ in width: where not, an FFN goes whole.</summary>
    public bool FfnUnits { get; init; } = true;

    /// <summary>Sublayers that exist, in the order of the residual stream.</summary>
    public IEnumerable<Sublayer> Sublayers()
    {
        for (var block = 0; block < Blocks.Length; block++)
        {
            if (Blocks[block].HeadCount > 0) yield return new Sublayer(block, SublayerKind.Attention);
            if (Blocks[block].FfnLength > 0) yield return new Sublayer(block, SublayerKind.Ffn);
        }
    }

    public long BytesOf(Sublayer sublayer) =>
        sublayer.Kind == SublayerKind.Attention ? Blocks[sublayer.Block].AttentionBytes : Blocks[sublayer.Block].FfnBytes;
}
