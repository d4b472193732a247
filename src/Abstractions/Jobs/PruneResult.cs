using System.Collections.Immutable;

namespace FinerCut.Jobs;

public enum PruneOutcome
{
    /// <summary>The lean file is written and passed the gate.</summary>
    Passed,

    /// <summary>The gate refused; the figures say why. No file is left at the output path.</summary>
    Refused,

    /// <summary>Cancelled or told to stop; a checkpoint is kept.</summary>
    Interrupted,

    /// <summary>Could not be done; <see cref="PruneResult.Error"/> says why.</summary>
    Failed,
}

/// <summary>One removal of the search.</summary>
/// <param name="Evaluations">Masks scored for this step.</param>
public sealed record PruneStep(int Number, string Removed, double Distance, long Bytes, int Evaluations, double Seconds)
{
    /// <summary>Bytes of keys and values a token that went with it, at f16.</summary>
    public long KvBytes { get; set; }

    /// <summary>Milliseconds of a decode step that went with it, by what its parts took in the full model.</summary>
    public double DecodeMs { get; set; }
}

/// <summary>One part of a budget, in the request's units.</summary>
/// <param name="Reached">By the mask; what healing adds is not taken off.</param>
public sealed record BudgetFigure(string Name, double Asked, double Reached);

/// <summary>One point of the search's path that was asked whether it passes the gate, where the leanest that does was wanted.</summary>
/// <param name="Steps">Of the search, that led to it.</param>
/// <param name="Proving">Whether on the proving half of the held-out conversations; otherwise on the choosing half.</param>
/// <param name="MeanKl">On that half, nats a token.</param>
public sealed record LeanestTry(int Steps, long Bytes, bool Proving, bool Passed, Estimate MeanKl);

/// <summary>Milliseconds of a whole decode step, one token, of both models in turn.</summary>
/// <param name="Context">Tokens in the memory.</param>
public sealed record DecodeFigures(int Context, double FullMs, double LeanMs);

/// <summary>A mean with its bootstrap interval over conversations.</summary>
public sealed record Estimate(double Mean, double Low, double High);

/// <summary>One line of the gate's verdict.</summary>
/// <param name="Value">The figure with its interval.</param>
/// <param name="Limit">What the unfavourable end must keep.</param>
public sealed record GateCheck(string Name, Estimate Value, double Limit, bool Passed);

/// <summary>Figures on held-out traffic, full model against the written lean file.</summary>
/// <param name="Tokens">Positions compared.</param>
/// <param name="MaskedFileMaxDifference">Largest logit difference between the masked model and the written file; 0 on CPU.</param>
public sealed record GateReport(bool Passed, ImmutableArray<GateCheck> Checks, int Conversations, int Tokens, double MaskedFileMaxDifference);

/// <summary>One model's measures.</summary>
/// <param name="FileBytes">Of the whole file.</param>
/// <param name="KvBytesPerToken">At f16.</param>
/// <param name="PrefillTokensPerSecond">Null where not measured.</param>
public sealed record ModelFigures(long FileBytes, int Sublayers, long KvBytesPerToken, double? PrefillTokensPerSecond, double? DecodeTokensPerSecond, string Sha256);

/// <summary>Distance from the full model with this sublayer alone removed, as the search found it.</summary>
/// <param name="Share">Of the calibration tokens, that it was asked on.</param>
public sealed record SublayerSensitivity(string Name, double Distance, double Share);

/// <param name="Name">As the lean file names it, such as "attn:6 rank 32" or "ffn:6 refit".</param>
/// <param name="Left">Share of the error at this place that it leaves, on sequences that it was not fitted on; 0 to 1.</param>
/// <param name="Bytes">That it adds to the file.</param>
public sealed record HealingGain(string Name, double Left, long Bytes);

/// <summary>The units of one sublayer: its KV-head groups, or its FFN's slices from the least important to the most.</summary>
/// <param name="Removed">Indices of the units that are gone, ascending.</param>
/// <param name="Distances">
/// From the full model with each unit alone removed: measured, or reckoned from the sublayer's own score where the surgeon searched; null where the search did not ask. Empty where it asked of none.
/// </param>
public sealed record SublayerUnits(string Name, int Count, ImmutableArray<int> Removed, ImmutableArray<double?> Distances);

/// <param name="Share">Of the sublayer's KV groups or channel blocks that are gone, in (0, 1].</param>
public sealed record SublayerShare(string Name, double Share);

/// <summary>Greedy continuations of an opening that comes with the program, by the full and by the lean model.</summary>
public sealed record PruneExample(string Opening, string Full, string Lean);

/// <summary>Stable machine-readable code and a message that says what to do.</summary>
public sealed record JobError(string Code, string Message);

/// <summary>The outcome of a prune job: result.json in the work folder, and the last line on standard output.</summary>
public sealed record PruneResult
{
    public required string JobId { get; init; }

    public required PruneOutcome Outcome { get; init; }

    public JobError? Error { get; set; }

    /// <summary>Null unless a file was written and passed.</summary>
    public string? OutputPath { get; set; }

    public ImmutableArray<PruneStep> Steps { get; set; } = [];

    /// <summary>What was healed, such as "attn:6 rank 32" or "ffn:6 refit", in the order of the residual stream.</summary>
    public ImmutableArray<string> Healed { get; set; } = [];

    /// <summary>The same with what each left to be desired.</summary>
    public ImmutableArray<HealingGain> HealingGains { get; set; } = [];

    /// <summary>Mean KL on the held-out set of the same mask not healed, nats a token, at the gate's confidence; null where nothing was healed.</summary>
    public Estimate? UnhealedKl { get; set; }

    /// <summary>Bytes that healing added to the file: sites and new biases.</summary>
    public long HealingBytes { get; set; }

    /// <summary>Removed sublayers and units, in the order of the residual stream.</summary>
    public ImmutableArray<string> Removed { get; set; } = [];

    /// <summary>What a reader of the result should know of how it was made, in sentences.</summary>
    public ImmutableArray<string> Notes { get; set; } = [];

    /// <summary>How much of each touched sublayer is gone.</summary>
    public ImmutableArray<SublayerShare> Shares { get; set; } = [];

    /// <summary>Single sublayers that the search scored alone.</summary>
    public ImmutableArray<SublayerSensitivity> Sensitivity { get; set; } = [];

    /// <summary>What every sublayer is divided into and what of it is gone, in the order of the residual stream.</summary>
    public ImmutableArray<SublayerUnits> Units { get; set; } = [];

    /// <summary>Full against lean, for the eye.</summary>
    public ImmutableArray<PruneExample> Examples { get; set; } = [];

    /// <summary>Number of blocks of the full model, for pictures.</summary>
    public int Blocks { get; set; }

    /// <summary>What was asked for and what went.</summary>
    public ImmutableArray<BudgetFigure> Budget { get; set; } = [];

    /// <summary>Where the leanest that passes was asked for: what was tried, in that order.</summary>
    public ImmutableArray<LeanestTry> Tries { get; set; } = [];

    /// <summary>Null where the budget does not count milliseconds.</summary>
    public DecodeFigures? Decode { get; set; }

    public GateReport? Gate { get; set; }

    /// <summary>
    /// Mean KL of the lean file on the calibration set, nats a token, at the gate's confidence. The gate's mean KL, on held-out traffic, less this is the gap: how much of the choice holds for these tokens only.
    /// </summary>
    public Estimate? CalibrationKl { get; set; }

    public ModelFigures? Full { get; set; }

    public ModelFigures? Lean { get; set; }

    public int Evaluations { get; set; }

    public double Seconds { get; set; }

    /// <summary>Most memory that the last process of the job was resident in, the mapped weights of both models included.</summary>
    public long PeakMemoryBytes { get; set; }

    public int CalibrationTokens { get; set; }

    public int HeldOutTokens { get; set; }
}

/// <summary>
/// A line of the Worker's standard output while it prunes: exactly one property is set. Everything else (logs) goes to standard error.
/// </summary>
public sealed record PruneLine(PruneProgress? Progress = null, PruneResult? Result = null);

/// <summary>The first line of <c>serve</c> on standard output, once the socket listens (the model may still be loading).</summary>
/// <param name="Listening">Base address, such as http://127.0.0.1:40123.</param>
public sealed record ServeLine(string Listening);

/// <summary>Exit codes of the Worker, and of the Gateway's verbs that pass through to it.</summary>
public static class ExitCode
{
    public const int Success = 0;
    public const int Failed = 1;

    /// <summary>Wrong options, configuration or input: nothing was begun.</summary>
    public const int BadInput = 2;

    /// <summary>Stopped by a signal after writing its checkpoint.</summary>
    public const int Interrupted = 3;

    /// <summary>The gate refused the lean model.</summary>
    public const int Refused = 4;

    /// <summary>No space on the device.</summary>
    public const int DiskFull = 5;

    /// <summary>The address is in use.</summary>
    public const int AddressInUse = 6;

    /// <summary>The gateway that a command talks to, or the address that it fetches from, cannot be reached.</summary>
    public const int Unreachable = 7;
}
