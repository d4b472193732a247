using System.Collections.Immutable;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;

namespace FinerCut.Pruning.Healing;

/// <summary>A kept sublayer's output projection with weights fitted anew.</summary>
/// <param name="Sublayer">Whose attn_output or ffn_down it is.</param>
/// <param name="Type">Of the weights.</param>
/// <param name="Columns">Channels left.</param>
/// <param name="Rows">The embedding's length.</param>
/// <param name="Weights">Tensor data; empty where the weights are the source's.</param>
/// <param name="Bias">Added to the output, [Rows]; empty where there is none.</param>
/// <param name="Left">Share of the error on sequences left out that the fit left, 0 to 1.</param>
/// <param name="Penalty">Ridge penalty chosen.</param>
public sealed record HealedProjection(
    Sublayer Sublayer, GgmlType Type, int Columns, int Rows, ImmutableArray<byte> Weights, ImmutableArray<float> Bias, double Left, double Penalty)
{
    public string Tensor => TensorOf(Sublayer.Kind);

    public static string TensorOf(SublayerKind kind) => kind == SublayerKind.Attention ? "attn_output" : "ffn_down";
}

/// <summary>What healing changes in a lean model, beyond what the mask removes. Immutable.</summary>
/// <param name="Projections">In the order of the stream; at most one a sublayer.</param>
/// <param name="Sites">Maps added to the stream, in its order.</param>
public sealed record HealedModel(ImmutableArray<HealedProjection> Projections, ImmutableArray<HealingSite> Sites)
{
    public static HealedModel None { get; } = new([], []);

    /// <summary>One line a change, in the order of the stream: what finercut.healed of the file says.</summary>
    public ImmutableArray<string> Summary => [.. Gains.Select(gain => gain.Name)];

    /// <summary>What each change left of the error that it makes up for, in the order of the stream.</summary>
    public ImmutableArray<HealingGain> Gains =>
    [
        .. Projections.Select(projection => (projection.Sublayer, Text: $"{projection.Sublayer} {(projection.Weights.Length > 0 ? "refit" : "bias")}", projection.Left, Bytes: (long)projection.Bias.Length * sizeof(float)))
            .Concat(Sites.Select(site => (site.Sublayer, Text: $"{site.Sublayer} {site.Form}", site.Left, site.Bytes))).OrderBy(line => line.Sublayer).Select(line => new HealingGain(line.Text, line.Left, line.Bytes)),
    ];

    public bool IsEmpty => Projections.Length == 0 && Sites.Length == 0;

    /// <summary>Bytes that it adds to a file: sites, and biases that were not there.</summary>
    public long Bytes => Sites.Sum(site => site.Bytes) + Projections.Sum(projection => (long)projection.Bias.Length * sizeof(float));
}
