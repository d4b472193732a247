using System.Collections.Immutable;
using System.Text.Json.Serialization;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Scoring;

namespace FinerCut.Pruning.Dealing;

/// <summary>What a search asks of a scorer on another machine, once: the model it means, the tokens, the units, how distances are reckoned. JSON; members are only ever added.</summary>
public sealed record ScoreOpening
{
    public const int CurrentVersion = 1;

    public int Version { get; set; } = CurrentVersion;

    /// <summary>Of the model's bytes, lower-case hex.</summary>
    public required string ModelSha256 { get; init; }

    public required DistanceKind Distance { get; init; }

    public required DistanceTokens Tokens { get; init; }

    public required int TopK { get; init; }

    public required long LogitBytes { get; init; }

    public required long StateBytes { get; init; }

    public required long BatchLogitBytes { get; init; }

    public required ImmutableArray<ScoreSequence> Sequences { get; init; }

    public required int ChannelBlock { get; init; }

    /// <summary>As <see cref="UnitMap.Parts"/>.</summary>
    public required int[][][] Parts { get; init; }

    public static ScoreOpening Of(string modelSha256, UnitMap units, CalibrationSet set, DistanceKind distance, ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(units);
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        return new ScoreOpening
        {
            ModelSha256 = modelSha256, Distance = distance, Tokens = options.Tokens, TopK = options.TopK, LogitBytes = options.LogitBytes, StateBytes = options.StateBytes,
            BatchLogitBytes = options.BatchLogitBytes, ChannelBlock = units.ChannelBlock, Parts = [.. units.Parts.Select(sublayer => sublayer.Select(unit => unit.ToArray()).ToArray())],
            Sequences = [.. set.Sequences.Select(sequence => new ScoreSequence([.. sequence.Tokens], sequence.AnswerStart))],
        };
    }

    public UnitMap Units(ModelShape shape) => new(shape, ChannelBlock, [.. Parts.Select(sublayer => sublayer.Select(unit => unit.ToImmutableArray()).ToImmutableArray())]);

    public CalibrationSet Set() => new("calibration", [.. Sequences.Select((sequence, at) => new TokenSequence($"{at}", [.. sequence.Tokens], sequence.AnswerStart))]);

    public ScoringOptions Options(int threads) => new(threads, LogitBytes, StateBytes, BatchLogitBytes) { Tokens = Tokens, TopK = TopK };

    /// <summary>The mask by whose sum two machines find out whether they reckon alike: every other unit gone.</summary>
    public static CutMask Probe(UnitMap units)
    {
        ArgumentNullException.ThrowIfNull(units);
        return CutMask.Of(units, Enumerable.Range(0, units.Count).Where(unit => unit % 2 == 1));
    }
}

/// <summary>A conversation's tokens without its name.</summary>
public sealed record ScoreSequence(int[] Tokens, int AnswerStart);

/// <summary>The scorer's answer.</summary>
/// <param name="Rows">Tokens of each batch that count.</param>
/// <param name="Probe">Bits of the sum of <see cref="ScoreOpening.Probe"/> on the first batch with any: another processor may reckon otherwise.</param>
public sealed record ScoreOpened(ImmutableArray<int> Rows, long Probe);

/// <summary>Masks to score on one batch, as words of bits.</summary>
public sealed record ScoreShare(ulong[] Announced, ulong[][] Masks, int Batch);

/// <summary>Sums in the order of the masks.</summary>
public sealed record ScoreSums(double[] Sums);

/// <summary>Why there are none.</summary>
public sealed record ScoreProblem(string Error);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    Converters = [typeof(SnakeCaseEnum<DistanceKind>), typeof(SnakeCaseEnum<DistanceTokens>)])]
[JsonSerializable(typeof(ScoreOpening))]
[JsonSerializable(typeof(ScoreOpened))]
[JsonSerializable(typeof(ScoreShare))]
[JsonSerializable(typeof(ScoreSums))]
[JsonSerializable(typeof(ScoreProblem))]
public sealed partial class ScoreJson : JsonSerializerContext;
