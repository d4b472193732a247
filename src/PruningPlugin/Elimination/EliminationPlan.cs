using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Healing;
using FinerCut.Pruning.Memory;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Elimination;

/// <summary>A model's units in the order in which each sublayer loses them, and what each one's loss leaves once the rest was fitted anew. Immutable.</summary>
/// <param name="Units">FFN slices of single channels, KV-head groups.</param>
/// <param name="Errors">Of each unit.</param>
internal sealed record EliminationPlan(UnitMap Units, ImmutableArray<UnitError> Errors)
{
    /// <summary>Slices that an FFN is divided into where nothing else is asked for.</summary>
    public const int Slices = 24;

    /// <summary>Whether every sublayer's projection can be read, and written again with any of its channels gone.</summary>
    public static bool Covers(GgufModel model, ModelShape shape) => shape.SublayersAlone && shape.FfnUnits && model.Tensors.Where(IsProjection).All(tensor =>
        tensor.Shape.Length == 2 && (tensor.Type is GgmlType.F32 or GgmlType.F16 || GgmlGrid.Covers(tensor.Type)));

    /// <param name="grains">KV-head groups and FFN slices among them make fine units; what they do not name stays whole.</param>
    /// <param name="slices">Of each FFN, fewer where they would not be whole quantisation blocks.</param>
    /// <param name="progress">Done and all.</param>
    public static EliminationPlan Make(
        ILlamaModel model, GgufShards file, ModelShape shape, IReadOnlyCollection<PruneGrain> grains, int slices, CalibrationSet set, ScoringOptions options, Action<int, int> progress,
        CancellationToken cancellationToken)
    {
        var coarse = FileUnits.For(file.Model, shape, grains, 1, null);
        var channelBlock = FileUnits.ChannelBlock(file.Model, shape);
        var batches = TokenBatches.Pack(set, options.BatchTokens(model.Info));
        using var masked = new MaskedModel(model, shape, batches.Capacity, options.Threads);
        var none = CutMask.None(UnitMap.Sublayers(shape));
        var paths = new ImmutableArray<EliminationStep>[2 * shape.Blocks.Length];
        Array.Fill(paths, []);
        Sublayer[] sublayers = [.. shape.Sublayers().Where(sublayer => InputMoments.ChannelsOf(shape, sublayer) > 0)];
        var done = 0;
        var passes = Passes(shape, sublayers, batches.Capacity, options.StateBytes).ToArray();
        var all = (passes.Length * batches.Batches.Length) + sublayers.Length;
        foreach (var pass in passes)
        {
            var moments = InputMoments.Measure(masked, shape, batches, pass, options.Threads, _ => progress(++done, all), cancellationToken);
            foreach (var sublayer in pass)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var weights = ProjectionWeights.Of(file, none, sublayer) ?? throw new UnsupportedModelException($"{sublayer}: its output projection cannot be read.");
                ImmutableArray<ImmutableArray<int>> groups = sublayer.Kind == SublayerKind.Attention ? GroupsOf(coarse, sublayer) : [];
                var whole = sublayer.Kind == SublayerKind.Attention ? groups.Length == 1 : !grains.Contains(PruneGrain.FfnSlice);
                paths[sublayer.Order] = whole ? [EliminationPath.OfWhole(moments[sublayer], weights.Weights.ToArray(), options.Threads)]
                    : sublayer.Kind == SublayerKind.Attention ? EliminationPath.OfGroups(moments[sublayer], weights.Weights.ToArray(), groups, options.Threads)
                    : OfFfn(moments[sublayer], weights, StepOf(moments[sublayer].Channels, channelBlock, slices), options.Threads);
                moments.Remove(sublayer);

                // Matrices of the last one are garbage that the heap would let grow by far (JobMemory).
                FreedMemory.GiveBack();
                progress(++done, all);
            }
        }

        return Of(shape, coarse, paths);
    }

    /// <summary>The first slice to go cuts through quantisation blocks: all that is left is rounded anew, once, and that slice pays for it.</summary>
    private static ImmutableArray<EliminationStep> OfFfn(InputMoments moments, ProjectionWeights weights, int step, int threads)
    {
        var factor = EliminationPath.Factor(moments, threads);
        var path = EliminationPath.OfChannels(moments, factor, weights.Weights.ToArray(), step, threads);
        if (path.Length < 2 || !GgmlGrid.Covers(weights.Type)) return path;
        return path.SetItem(0, path[0] with { Fitted = path[0].Fitted + EliminationPath.OfRounding(moments, factor, weights.NewGridSteps()) });
    }

    private static EliminationPlan Of(ModelShape shape, UnitMap coarse, ImmutableArray<EliminationStep>[] paths)
    {
        var parts = ImmutableArray.CreateBuilder<ImmutableArray<ImmutableArray<int>>>(paths.Length);
        foreach (var sublayer in Enumerable.Range(0, paths.Length).Select(Sublayer.FromOrder))
        {
            var width = shape.Blocks[sublayer.Block].KvGroupCount == 0 ? 1 : shape.Blocks[sublayer.Block].HeadCount / shape.Blocks[sublayer.Block].KvGroupCount * shape.HeadLength;
            parts.Add(paths[sublayer.Order].IsEmpty ? coarse.Parts[sublayer.Order]
                : sublayer.Kind == SublayerKind.Ffn ? [.. paths[sublayer.Order].Select(step => step.Channels)]
                : [.. paths[sublayer.Order].Select(step => step.Channels.Select(channel => channel / width).Distinct().ToImmutableArray())]);
        }

        // A channel block of one: slices hold single channels.
        var units = new UnitMap(shape, 1, parts.MoveToImmutable());
        return new EliminationPlan(units, [.. Enumerable.Range(0, units.Count).Select(units.UnitAt).Select(unit =>
            paths[unit.Sublayer.Order].IsEmpty ? new UnitError(double.PositiveInfinity, 0) : new UnitError(paths[unit.Sublayer.Order][unit.Index].Fitted, paths[unit.Sublayer.Order][unit.Index].Plain))]);
    }

    private static ImmutableArray<ImmutableArray<int>> GroupsOf(UnitMap coarse, Sublayer sublayer)
    {
        var block = coarse.Shape.Blocks[sublayer.Block];
        if (block.KvGroupCount == 0) return [[.. Enumerable.Range(0, block.HeadCount * coarse.Shape.HeadLength)]];
        var width = block.HeadCount / block.KvGroupCount * coarse.Shape.HeadLength;
        return [.. coarse.Parts[sublayer.Order].Select(unit => unit.SelectMany(part => Enumerable.Range(part * width, width)).ToImmutableArray())];
    }

    /// <summary>Whole quantisation blocks, so that what is left can be written.</summary>
    private static int StepOf(int channels, int channelBlock, int slices) => Math.Max(1, channels / Math.Max(1, slices) / channelBlock) * channelBlock;

    /// <summary>Sublayers whose moments fit into memory together.</summary>
    private static IEnumerable<Sublayer[]> Passes(ModelShape shape, Sublayer[] sublayers, int batchTokens, long bytes)
    {
        var pass = new List<Sublayer>();
        foreach (var sublayer in sublayers)
        {
            if (pass.Count > 0 && pass.Sum(other => InputMoments.BytesOf(shape, other, batchTokens)) + InputMoments.BytesOf(shape, sublayer, batchTokens) > bytes)
            {
                yield return [.. pass];
                pass.Clear();
            }

            pass.Add(sublayer);
        }

        if (pass.Count > 0) yield return [.. pass];
    }

    private static bool IsProjection(GgufTensorInfo tensor) =>
        tensor.Name.EndsWith(".attn_output.weight", StringComparison.Ordinal) || tensor.Name.EndsWith(".ffn_down.weight", StringComparison.Ordinal);
}
