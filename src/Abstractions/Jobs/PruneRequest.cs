using System.Collections.Immutable;
using FinerCut.Masks;

namespace FinerCut.Jobs;

/// <summary>How masks are found (docs/pruning.md). All but paper and the baselines go by what a removal adds to the distance for each byte saved.</summary>
public enum SearchKind
{
    /// <summary>The surgeon where what is left will be fitted anew and the model's files allow it; races otherwise.</summary>
    Auto,

    /// <summary>
    /// Optimal brain surgeon: single channels and KV groups by what their loss leaves once the rest was fitted anew, times how much the output minds it. One evaluation a
    /// sublayer. Needs healing refit or auto, and a model that is written as deci.
    /// </summary>
    Surgeon,

    /// <summary>FinerCut as published: the sublayer with the least distance goes, all others are scored again; budget by count.</summary>
    Paper,

    /// <summary>Lazy greedy on distance per byte: scores are renewed only while they could still win.</summary>
    LazyGreedy,

    /// <summary>Greedy by races: few tokens for many candidates, all tokens for the last two.</summary>
    RacingGreedy,

    /// <summary>Several masks grow side by side.</summary>
    Beam,

    /// <summary>Greedy by races, then swaps of what is gone for what is kept while that brings the model nearer.</summary>
    Local,

    /// <summary>Offspring by swaps, selected on ever more tokens (EvoPress).</summary>
    Evolutionary,

    /// <summary>Baseline: greedy on whole blocks, all scored at every step (SLEB).</summary>
    Sleb,

    /// <summary>Baseline: blocks that change the residual stream least, all at once (ShortGPT).</summary>
    ShortGpt,

    /// <summary>Baseline: every candidate scored alone, then removed in that order.</summary>
    OneShot,

    /// <summary>Baseline: the last blocks.</summary>
    LastBlocks,

    /// <summary>Baseline: any sublayers, by the seed.</summary>
    Random,
}

/// <summary>How what was removed is made up for, in closed form and without training.</summary>
public enum HealingKind
{
    None,

    /// <summary>Kept output projections' biases take up the mean of what is missing.</summary>
    Constant,

    /// <summary>A map of low rank stands in the place of each removed sublayer, as far as it is worth its bytes; biases as well.</summary>
    LowRank,

    /// <summary>As <see cref="LowRank"/>, and in the place of a removed attention a full linear map may stand instead, which has no KV memory either.</summary>
    Linear,

    /// <summary>Kept output projections are fitted anew, on the grid of their quantisation: no byte more, but for biases.</summary>
    Refit,

    /// <summary>Maps as of <see cref="Linear"/>, and fitted projections.</summary>
    Auto,
}

public enum DistanceKind
{
    /// <summary>Jensen-Shannon, textbook form: 0.5 KL(P||M) + 0.5 KL(Q||M), M the mean of both.</summary>
    JensenShannon,

    /// <summary>The FinerCut authors' form with the arguments reversed: 0.5 KL(M||P) + 0.5 KL(M||Q).</summary>
    JensenShannonReversed,

    /// <summary>KL(P||Q), P the full model's distribution.</summary>
    KullbackLeibler,

    /// <summary>Arc cosine of the logits' cosine similarity, radians.</summary>
    Angular,

    /// <summary>Euclidean norm of the logits' difference.</summary>
    Norm,

    /// <summary>KL(P||Q) over the full model's most likely tokens, all others as one: never more than KL(P||Q), and the reference needs no whole rows.</summary>
    TopKKullbackLeibler,
}

/// <summary>Which positions a distance is the mean of.</summary>
public enum DistanceTokens
{
    All,

    /// <summary>Those whose next token is one of a recorded answer's.</summary>
    Answers,
}

/// <summary>What a search may remove in one move.</summary>
public enum PruneGrain
{
    /// <summary>A block whole: attention and FFN together.</summary>
    Block,

    /// <summary>An attention or an FFN whole: the paper's grain.</summary>
    Sublayer,

    /// <summary>One KV head with the query heads that share it; several where only together they align with the file's quantisation.</summary>
    KvGroup,

    /// <summary>A slice of an FFN's channels, whole quantisation blocks of them.</summary>
    FfnSlice,
}

/// <summary>Which channels of an FFN make a slice.</summary>
public enum ChannelOrder
{
    /// <summary>The least important first, by activation energy on the calibration set times the norm of the down-projection's columns.</summary>
    Importance,

    /// <summary>As they lie in the file.</summary>
    File,
}

/// <summary>How much goes. At least one is set; a search ends at the first mask that reaches all that are.</summary>
/// <param name="Sublayers">Number of sublayers, all kinds together.</param>
/// <param name="Fraction">Share of the blocks' bytes, above 0 and below 1.</param>
/// <param name="Bytes">Bytes of tensor data.</param>
public sealed record PruneBudget(int? Sublayers = null, double? Fraction = null, long? Bytes = null)
{
    public const int DefaultDecodeContext = 512;

    /// <summary>Bytes of keys and values a token, at f16.</summary>
    public long? KvBytes { get; set; }

    /// <summary>Share of the same, above 0 and at most 1.</summary>
    public double? KvFraction { get; set; }

    /// <summary>Milliseconds of one decode step, as they are measured on this machine.</summary>
    public double? DecodeMs { get; set; }

    /// <summary>Share of the milliseconds that the blocks take of a decode step, above 0 and below 1.</summary>
    public double? DecodeFraction { get; set; }

    /// <summary>Tokens in the memory when decode steps are measured; null = <see cref="DefaultDecodeContext"/>, or what the model was trained for where that is less.</summary>
    public int? DecodeContext { get; set; }

    /// <summary>Of the masks that the search came by, the leanest that passes the gate: the other members say where the search ends at the latest.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingDefault)]
    public bool Leanest { get; set; }

    /// <summary>Where a search for the leanest ends when nothing else is said: share of the blocks' bytes.</summary>
    public const double LeanestCeiling = 0.3;
}

/// <summary>Limits that a lean model must keep on held-out traffic. Intervals are bootstrapped over conversations; the unfavourable end counts.</summary>
public sealed record GateThresholds
{
    /// <summary>Mean KL(full||lean) in nats a token: its upper bound must not exceed this.</summary>
    public double MaxMeanKl { get; set; } = 0.25;

    /// <summary>Share of tokens with the same most likely next token: its lower bound must reach this.</summary>
    public double MinTop1Agreement { get; set; } = 0.70;

    /// <summary>Growth of the recorded answers' negative log-likelihood in nats a token: its upper bound must not exceed this.</summary>
    public double MaxAnswerNllIncrease { get; set; } = 0.25;

    /// <summary>The same growth on text in general, which the full model writes for the gate from short openings.</summary>
    public double MaxGeneralNllIncrease { get; set; } = 0.5;

    /// <summary>Tokens that both models' most likely continuations of held-out prompts begin with alike, of 24: the mean's lower bound must reach this.</summary>
    public double MinCommonPrefix { get; set; } = 0.5;

    /// <summary>Level of the intervals.</summary>
    public double Confidence { get; set; } = 0.95;
}

/// <summary>A prune job as the Worker's <c>prune --job FILE</c> reads it (JSON, snake case).</summary>
public sealed record PruneRequest
{
    /// <summary>Where the request says nothing and the search has no number of its own.</summary>
    public const int DefaultSlicesPerFfn = 6;

    public const int DefaultTopK = 256;

    public required string JobId { get; init; }

    /// <summary>The full model's file.</summary>
    public required string ModelPath { get; init; }

    /// <summary>Where the lean model goes; written beside and renamed, so it is whole or absent.</summary>
    public required string OutputPath { get; init; }

    /// <summary>Folder of checkpoint and result; a job started again with the same folder resumes.</summary>
    public required string WorkFolder { get; init; }

    /// <summary>JSON lines of <see cref="Calibration.RecordedConversation"/>.</summary>
    public required string CalibrationPath { get; init; }

    /// <summary>The same, disjoint by id.</summary>
    public required string HeldOutPath { get; init; }

    public required PruneBudget Budget { get; init; }

    public SearchKind Search { get; set; } = SearchKind.Auto;

    /// <summary>Null = Kullback-Leibler where the surgeon may search, which is what the gate judges and what the surgeon was measured with (docs/results.md), else Jensen-Shannon, which is the paper's.</summary>
    public DistanceKind? Distance { get; set; }

    /// <summary>The same with the default worked out.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public DistanceKind Measure => Distance ?? (Search is SearchKind.Auto or SearchKind.Surgeon ? DistanceKind.KullbackLeibler : DistanceKind.JensenShannon);

    /// <summary>Which positions of the calibration set count.</summary>
    public DistanceTokens DistanceTokens { get; set; } = DistanceTokens.All;

    /// <summary>Most likely tokens of the full model that are kept of a position where its row is not: of top_k_kullback_leibler, and where whole rows would not fit.</summary>
    public int TopK { get; set; } = DefaultTopK;

    /// <summary>Models that are not written as deci (docs/pruning.md) are not healed, whatever stands here.</summary>
    public HealingKind Healing { get; set; } = HealingKind.Auto;

    /// <summary>Tokens that healing is fitted on: traffic up to half of them, the rest general text. 0 = eight times the calibration tokens that there are, at most of <see cref="MaxCalibrationTokens"/>: a
    /// fit has more weights than a search has choices, and knows other text the better the more it has seen (docs/results.md).</summary>
    public int MaxHealingTokens { get; set; }

    /// <summary>The same with the default worked out, at most: where all calibration tokens are there.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int HealingTokens => HealingTokensFor(MaxCalibrationTokens);

    /// <summary>The same for the calibration tokens that are there: what the model writes itself beyond them takes longer than it gives.</summary>
    public int HealingTokensFor(int calibrationTokens) => MaxHealingTokens > 0 ? MaxHealingTokens : 8 * Math.Min(calibrationTokens, MaxCalibrationTokens);

    /// <summary>A text file for the general half, blank lines between its texts; null = the model writes it itself from short openings.</summary>
    public string? GeneralTextPath { get; set; }
    /// <summary>Moves that the search may make; empty = all of them, for paper and the baselines what they are published with.</summary>
    public ImmutableArray<PruneGrain> Grains { get; set; } = [];

    /// <summary>Slices that each FFN is divided into, at most one a quantisation block of its channels; 0 = the search's own number, 24 for the surgeon, 6 for the others.</summary>
    public int SlicesPerFfn { get; set; }

    public ChannelOrder ChannelOrder { get; set; } = ChannelOrder.Importance;

    public GateThresholds Gate { get; set; } = new();

    /// <summary>Sublayers that must stay, such as attn:0.</summary>
    public ImmutableArray<string> Keep { get; set; } = [];

    /// <summary>The only kind of sublayer that may be touched; null = both. Whole blocks only: <see cref="Grains"/>.</summary>
    public SublayerKind? Only { get; set; }

    /// <summary>Paper's option: the first 40 % of the blocks are barred until 40 % of all sublayers are gone.</summary>
    public bool WarmUp { get; set; }

    public int Seed { get; set; } = 1;

    /// <summary>
    /// Tokens of calibration used at most. 0 = the search's own number: 2,560, twice as many for those that can turn back (beam, local, evolutionary). The more masks a search looks at, the more easily it finds
    /// one that is near on the tokens it looks at and not on others.
    /// </summary>
    public int MaxCalibrationTokens { get => field != 0 ? field : Search is SearchKind.Beam or SearchKind.Local or SearchKind.Evolutionary ? 5120 : 2560; set; }

    /// <summary>Where the traffic gives fewer calibration tokens than <see cref="MaxCalibrationTokens"/>, the full model writes the rest itself. The held-out set is always traffic.</summary>
    public bool TopUp { get; set; }

    /// <summary>Tokens of held-out traffic used at most.</summary>
    public int MaxHeldOutTokens { get; set; } = 2560;

    /// <summary>Longest sequence; longer conversations are cut at the end.</summary>
    public int MaxSequenceTokens { get; set; } = 256;

    /// <summary>Fewest tokens with which the job begins, for each of the two sets.</summary>
    public int MinTokens { get; set; } = 512;

    /// <summary>Bytes that the job may take beside the full model's weights, the lean model's included; null = what it needs, with 2 GiB for reference and states of the search.</summary>
    public long? MemoryBytes { get; set; }

    /// <summary>Whether the job's process runs only when nothing else wants the processors.</summary>
    public bool Yield { get; set; }

    /// <summary>Workers with the verb score on other machines, with the same model: they score for the search as well, and change nothing of what it finds.</summary>
    public ImmutableArray<ScorerAddress> Scorers { get; set; } = [];

    /// <summary>Threads of the job; 0 = the machine's processors.</summary>
    public int Threads { get; set; }

    /// <summary>Layers on the GPU, -1 = all of them; 0 = the job leaves GPUs alone. With any, masked model and file agree as far as a GPU's kernels do, and not to the last bit.</summary>
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingDefault)]
    public int GpuLayers { get; set; }
}
