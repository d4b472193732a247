using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Recording;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Pruning;

/// <summary>
/// Draws a job's two sets from the recorded traffic into its work folder: disjoint, since each prompt is drawn once; the same for the same seed
/// and traffic. Done once a job; a job that resumes finds its files.
/// </summary>
public sealed class TrafficExport(RecordingStore store, LiveConfig live)
{
    public const string CalibrationFile = "calibration.jsonl";
    public const string HeldOutFile = "held_out.jsonl";

    /// <summary>How many conversations there are where they are too few; otherwise null.</summary>
    public JobError? TooFew(string modelId)
    {
        var there = store.Count(modelId).Distinct;
        return there >= live.Jobs.MinConversations ? null : new JobError(
            "too_few_samples",
            $"{there} different conversations are recorded for {modelId}, {live.Jobs.MinConversations} are needed (Jobs:MinConversations). "
            + $"Switch recording on (PUT /admin/models/{modelId}/recording {{\"enabled\":true}}) and let traffic come.");
    }

    public JobTraffic Write(string jobId, string modelId, int seed, string folder)
    {
        var calibrationPath = Path.Combine(folder, CalibrationFile);
        var heldOutPath = Path.Combine(folder, HeldOutFile);
        // The held-out file is written last: where it is, both are whole.
        if (File.Exists(heldOutPath)) return new JobTraffic(File.ReadLines(calibrationPath).Count(), File.ReadLines(heldOutPath).Count());
        var drawn = store.Draw(modelId, seed, live.Jobs.MaxConversations);
        store.Audit(modelId, "job", jobId, drawn.Select(conversation => conversation.Id));
        var (calibration, heldOut) = TrafficDeal.Deal(drawn, seed);
        WriteLines(calibrationPath, calibration);
        WriteLines(heldOutPath, heldOut);
        return new JobTraffic(calibration.Count, heldOut.Count);
    }

    private static void WriteLines(string path, IEnumerable<RecordedConversation> conversations) => Storage.StateFolder.WriteWhole(
        path, string.Concat(conversations.Select(conversation => JsonSerializer.Serialize(conversation, ContractJson.Default.RecordedConversation) + "\n")));
}
