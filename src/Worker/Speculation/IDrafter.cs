using FinerCut.Worker.Batching;

namespace FinerCut.Worker.Speculation;

/// <summary>
/// Guesses what a generation will say next. Guesses are checked by the model itself: each is kept only where the very token is sampled, so that
/// nothing but speed depends on them. Belongs to the loop's thread.
/// </summary>
public interface IDrafter : IDisposable
{
    /// <summary>Most tokens guessed at once.</summary>
    int Most { get; }

    /// <summary>Fills each generation's draft; one that is left empty is decoded as usual.</summary>
    /// <param name="room">Most tokens for each.</param>
    void Draft(IReadOnlyList<Generation> generations, ReadOnlySpan<int> room);

    /// <summary>The generation has ended.</summary>
    void Forget(Generation generation);
}
