using FinerCut.Jobs;

namespace FinerCut.Pruning.Jobs;

/// <summary>Stable codes of <see cref="JobError"/>.</summary>
public static class JobErrorCodes
{
    public const string BadRequest = "bad_request";
    public const string BadModel = "bad_model";
    public const string UnsupportedModel = "unsupported_model";
    public const string BadTraffic = "bad_traffic";
    public const string TooFewTokens = "too_few_tokens";
    public const string SetsOverlap = "sets_overlap";
    public const string CheckpointMismatch = "checkpoint_mismatch";
    public const string BudgetUnreachable = "budget_unreachable";
    public const string DiskFull = "disk_full";
    public const string CannotWrite = "cannot_write";
    public const string OutOfMemory = "out_of_memory";
    public const string RuntimeFailed = "runtime_failed";

    /// <summary>Whether the cause lies in what the job was given, so that nothing was begun.</summary>
    public static bool IsBadInput(string code) =>
        code is BadRequest or BadModel or UnsupportedModel or BadTraffic or TooFewTokens or SetsOverlap or CheckpointMismatch or BudgetUnreachable;
}

/// <summary>Ends a job with an expected failure.</summary>
internal sealed class JobFailure(string code, string message, Exception? inner = null) : Exception(message, inner)
{
    public JobError Error { get; } = new(code, message);
}
