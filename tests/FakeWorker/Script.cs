using System.Text.Json;

namespace FinerCut.FakeWorker;

/// <summary>
/// How this worker misbehaves: the JSON file that FAKE_WORKER_SCRIPT names, read anew at every use, so that a test changes it while all runs.
/// Requests carry their own directives as words of the last message, such as "tokens=20 delay=5 die=3".
/// </summary>
public sealed record Script
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNameCaseInsensitive = true };

    /// <summary>Ends with this exit code right after the start; null serves.</summary>
    public int? ExitAtStart { get; init; }

    /// <summary>Of these versions only; all when null.</summary>
    public string[]? Versions { get; init; }

    /// <summary>Milliseconds of /health 503 after the start.</summary>
    public int LoadMs { get; init; }

    /// <summary>Answers chat requests with this status; null answers them.</summary>
    public int? ChatStatus { get; init; }

    /// <summary>Seconds of Retry-After with that status; 0 says none.</summary>
    public int RetryAfter { get; init; }

    /// <summary>Milliseconds before each answer.</summary>
    public int FirstDelayMs { get; init; }

    public int PruneSteps { get; init; } = 3;

    public int PruneStepMs { get; init; } = 5;

    /// <summary>passed, refused or failed.</summary>
    public string PruneOutcome { get; init; } = "passed";

    /// <summary>Dies (exit 134) after this step in the first run of a work folder; null never.</summary>
    public int? PruneDieAt { get; init; }

    public static Script Read(string? version)
    {
        var path = Environment.GetEnvironmentVariable("FAKE_WORKER_SCRIPT");
        if (path is null || !File.Exists(path)) return new Script();
        var script = JsonSerializer.Deserialize<Script>(File.ReadAllText(path), Json)!;
        return version is null || script.Versions is null || script.Versions.Contains(version) ? script : new Script();
    }
}

/// <summary>What one request asks of the fake.</summary>
/// <param name="Tokens">Length of the answer.</param>
/// <param name="Delay">Milliseconds before each token.</param>
/// <param name="Die">Kill the process before this token; -1 never.</param>
/// <param name="Hang">Fall silent before this token; -1 never.</param>
/// <param name="Error">End with an error event before this token; -1 never.</param>
public sealed record Directives(int Tokens, int Delay, int Die, int Hang, int Error)
{
    public static Directives Parse(string text)
    {
        var words = text.Split(' ').Select(word => word.Split('=')).Where(pair => pair.Length == 2 && int.TryParse(pair[1], out _))
            .GroupBy(pair => pair[0]).ToDictionary(pair => pair.Key, pair => int.Parse(pair.Last()[1]));
        return new(words.GetValueOrDefault("tokens", 8), words.GetValueOrDefault("delay", 0), words.GetValueOrDefault("die", -1),
            words.GetValueOrDefault("hang", -1), words.GetValueOrDefault("error", -1));
    }
}
