namespace FinerCut.Worker.Batching;

/// <summary>
/// How many prompt tokens a step may take where nothing decodes: as many as are computed in half a second, since whoever comes meanwhile waits for its
/// end. Never less than a chunk, and a whole batch until it is known how fast the machine is. Belongs to the loop's thread.
/// </summary>
internal sealed class PromptPace(StepLimits limits)
{
    private static readonly TimeSpan LongestStep = TimeSpan.FromMilliseconds(500);

    /// <summary>Share of the newest step in the mean.</summary>
    private const double Newest = 0.25;

    /// <summary>Tokens a second; 0 = not known.</summary>
    private double _rate;

    public int Tokens => _rate == 0
        ? limits.BatchTokens
        : (int)Math.Clamp(_rate * LongestStep.TotalSeconds, Math.Min(limits.ChunkTokens, limits.BatchTokens), limits.BatchTokens);

    /// <summary>A step was computed. Small ones say little of the rate.</summary>
    public void Record(int tokens, TimeSpan time)
    {
        if (tokens < Math.Min(limits.ChunkTokens, limits.BatchTokens) / 2 || time <= TimeSpan.Zero) return;
        var rate = tokens / time.TotalSeconds;
        _rate = _rate == 0 ? rate : _rate + Newest * (rate - _rate);
    }
}
