using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Batching;

/// <summary>Stamps tokens and sums a generation up. Belongs to the loop's thread.</summary>
internal sealed class GenerationTimes(WorkerMeters meters, TimeProvider clock)
{
    /// <summary>A token was sampled.</summary>
    /// <param name="now">Time stamp of the step.</param>
    public void Stamp(Generation generation, long now)
    {
        if (generation.Generated == 0)
        {
            generation.FirstTokenAt = now;
            meters.OnFirstToken(
                clock.GetElapsedTime(generation.ArrivedAt, generation.StartedAt), clock.GetElapsedTime(generation.ArrivedAt, now));
        }
        else
        {
            meters.OnToken(clock.GetElapsedTime(generation.LastTokenAt, now));
        }

        generation.LastTokenAt = now;
    }

    /// <summary>Tells a client who wants to know how far its prompt is.</summary>
    public void Report(Generation generation)
    {
        if (!generation.Request.ReportsProgress || generation.Generated > 0 || generation.IsEnded) return;
        generation.Outbox.Post(new PromptProgress(
            generation.Request.Prompt.Length, generation.Cached, generation.Computed, clock.GetElapsedTime(generation.StartedAt)));
        generation.Outbox.Flush();
    }

    public GenerationFigures Figures(Generation generation)
    {
        var now = clock.GetTimestamp();
        var started = generation.StartedAt == 0 ? now : generation.StartedAt;
        var first = generation.FirstTokenAt == 0 ? now : generation.FirstTokenAt;
        return new GenerationFigures(
            generation.Request.Prompt.Length,
            generation.Cached,
            generation.Generated,
            clock.GetElapsedTime(generation.ArrivedAt, started),
            clock.GetElapsedTime(started, first),
            generation.FirstTokenAt == 0 ? TimeSpan.Zero : clock.GetElapsedTime(first, generation.LastTokenAt))
        {
            Guessed = generation.Guessed,
            GuessedRight = generation.GuessedRight,
            Shifted = generation.Shifted,
            Sequence = generation.LastSequence,
        };
    }
}
