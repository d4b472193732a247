namespace FinerCut.Worker.Batching;

/// <summary>
/// The time of prompts that keep shorter ones waiting for a place: a quarter of all, in whole chunks. Between two of those the answers at work go on at their own
/// pace, so that their places come free nearly as soon as they would without. Belongs to the loop's thread.
/// </summary>
internal sealed class SlowLane
{
    /// <summary>What must be spent on others before its next turn.</summary>
    private TimeSpan _owed;

    /// <summary>Whether its prompts have a turn in the next step.</summary>
    public bool IsOpen => _owed <= TimeSpan.Zero;

    /// <param name="tokens">Of the step that was computed.</param>
    /// <param name="slow">Those of them that were this lane's.</param>
    public void Record(int tokens, int slow, TimeSpan time)
    {
        var own = time * ((double)slow / tokens);
        var owed = _owed - (time - own);
        _owed = (owed > TimeSpan.Zero ? owed : TimeSpan.Zero) + own * (StepPlanner.OldestPart - 1);
    }
}
