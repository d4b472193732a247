using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Masks;

namespace FinerCut.Pruning.Checkpoints;

/// <summary>One evaluation: a mask, the share of the tokens it was scored on, and what came out.</summary>
/// <param name="Mask">The mask's words in hexadecimal, lowest first.</param>
/// <param name="Seconds">On the job's clock when it was done, all processes together.</param>
public sealed record Evaluation(string Mask, double Share, double Distance, double Seconds);

/// <summary>A checkpoint as it lies on the disk.</summary>
/// <param name="Fingerprint">Of everything that decides the search's outcome.</param>
/// <param name="Steps">Removals so far, for readers; they follow from the evaluations.</param>
public sealed record Checkpoint(int Version, string Fingerprint, IReadOnlyList<Evaluation> Evaluations, IReadOnlyList<string> Steps)
{
    public const int CurrentVersion = 1;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(Checkpoint))]
internal sealed partial class CheckpointJson : JsonSerializerContext;

/// <summary>The checkpoint in the work folder is another job's, or damaged. The message says what to do.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// A search's memory: every evaluation made, in order. Searches are deterministic, so the whole state of one is the list of its scores:
/// after a kill it runs again over them in no time and goes on where it stood. One owner, not thread-safe.
/// </summary>
public sealed class EvaluationJournal
{
    private readonly string _path;
    private readonly string _fingerprint;
    private readonly List<Evaluation> _evaluations = [];
    private readonly Dictionary<(string Mask, double Share), Evaluation> _known = [];
    private List<string> _steps = [];

    private EvaluationJournal(string path, string fingerprint)
    {
        _path = path;
        _fingerprint = fingerprint;
    }

    public int Count => _evaluations.Count;

    /// <summary>In the order in which they were made.</summary>
    public IReadOnlyList<Evaluation> Evaluations => _evaluations;

    /// <summary>The job's clock at the last evaluation.</summary>
    public double Seconds => _evaluations.Count == 0 ? 0 : _evaluations[^1].Seconds;

    /// <summary>Opens the journal at <paramref name="path"/>, or begins one where there is none.</summary>
    /// <exception cref="CheckpointException">It belongs to another job or model, or is damaged.</exception>
    public static EvaluationJournal Open(string path, string fingerprint)
    {
        var journal = new EvaluationJournal(path, fingerprint);
        if (!File.Exists(path)) return journal;
        Checkpoint? checkpoint;
        try
        {
            checkpoint = JsonSerializer.Deserialize(File.ReadAllBytes(path), CheckpointJson.Default.Checkpoint);
        }
        catch (JsonException cause)
        {
            throw new CheckpointException($"The checkpoint {path} is damaged ({cause.Message}). Delete it to begin the job anew.", cause);
        }

        if (checkpoint is null || checkpoint.Version != Checkpoint.CurrentVersion)
        {
            throw new CheckpointException($"The checkpoint {path} is of version {checkpoint?.Version}, expected {Checkpoint.CurrentVersion}. Delete it to begin the job anew.");
        }

        if (!string.Equals(checkpoint.Fingerprint, fingerprint, StringComparison.Ordinal))
        {
            throw new CheckpointException(
                $"The checkpoint {path} was made by another request, model or traffic. Take another work folder, or delete the file to begin the job anew.");
        }

        foreach (var evaluation in checkpoint.Evaluations) journal.Keep(evaluation);
        journal._steps = [.. checkpoint.Steps];
        return journal;
    }

    public static string Key(CutMask mask)
    {
        ArgumentNullException.ThrowIfNull(mask);
        return string.Join('.', mask.Words.Select(word => word.ToString("x", System.Globalization.CultureInfo.InvariantCulture)));
    }

    public Evaluation? Find(CutMask mask, double share) => _known.GetValueOrDefault((Key(mask), share));

    public void Add(CutMask mask, double share, double distance, double seconds) => Keep(new Evaluation(Key(mask), share, distance, seconds));

    /// <summary>Puts everything onto the disk: beside, through to the device, renamed.</summary>
    public void Save(IEnumerable<string> steps)
    {
        _steps = [.. steps];
        AtomicFile.Write(
            _path, JsonSerializer.SerializeToUtf8Bytes(new Checkpoint(Checkpoint.CurrentVersion, _fingerprint, _evaluations, _steps), CheckpointJson.Default.Checkpoint));
    }

    /// <summary>Saves evaluations made since the last step.</summary>
    public void Save() => Save(_steps);

    private void Keep(Evaluation evaluation)
    {
        _evaluations.Add(evaluation);
        _known[(evaluation.Mask, evaluation.Share)] = evaluation;
    }
}
