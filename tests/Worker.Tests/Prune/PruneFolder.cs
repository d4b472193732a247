using System.Text.Json;
using FinerCut.Jobs;

namespace FinerCut.Tests.Prune;

/// <summary>What a prune job reads and writes, in a folder of its own.</summary>
internal sealed class PruneFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("finercut-prune-").FullName;

    /// <summary>A job on the folder's files whose gate is open.</summary>
    public PruneRequest Request => new()
    {
        JobId = "job", ModelPath = At("model.gguf"), OutputPath = At("lean.gguf"), WorkFolder = At("work"), CalibrationPath = At("calibration.jsonl"), HeldOutPath = At("held-out.jsonl"), Threads = 1, MinTokens = 100,
        Budget = new PruneBudget(Fraction: 0.2), Gate = new GateThresholds { MaxMeanKl = 1e6, MinTop1Agreement = 0, MaxAnswerNllIncrease = 1e6, MaxGeneralNllIncrease = 1e6, MinCommonPrefix = 0 },
    };

    public string At(string name) => Path.Combine(_path, name);

    /// <summary>Six short conversations to calibrate on, and six held out.</summary>
    public void WriteTraffic()
    {
        foreach (var (path, name) in new[] { (Request.CalibrationPath, "c"), (Request.HeldOutPath, "h") })
        {
            File.WriteAllLines(path, Enumerable.Range(0, 6).Select(number => JsonSerializer.Serialize(
                new RecordedConversationLine($"{name}{number}", [new("user", $"What is {number} and {name}?")], $"It is {number}, and then some words on it."), RecordedLineJson.Default.RecordedConversationLine)));
        }
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}

/// <summary>A line of a traffic file as the recorder writes it.</summary>
internal sealed record RecordedConversationLine(string id, IReadOnlyList<RecordedMessage> messages, string answer);

internal sealed record RecordedMessage(string role, string content);

[System.Text.Json.Serialization.JsonSerializable(typeof(RecordedConversationLine))]
internal sealed partial class RecordedLineJson : System.Text.Json.Serialization.JsonSerializerContext;
