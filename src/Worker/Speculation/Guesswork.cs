using System.Runtime.InteropServices;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.Speculation;

/// <summary>Asks the drafter for those that decode in a step, within what the step, the context and the answer have room for. Belongs to the loop's thread.</summary>
internal sealed class Guesswork(IDrafter? drafter, BatchConfig config, int outputs)
{
    private readonly List<Generation> _decoding = [];
    private readonly List<int> _room = [];

    /// <param name="tokens">Planned for the step so far.</param>
    public void Plan(IReadOnlyList<Generation> active, ReadOnlySpan<int> shares, int tokens)
    {
        if (drafter is null) return;
        _decoding.Clear();
        _room.Clear();
        for (var i = 0; i < active.Count; i++)
        {
            active[i].Guesses.Clear();
            // What a token was drawn from is known until the next draw only.
            if (shares[i] != 1 || active[i].Remaining != 1 || active[i].Generated == 0 || active[i].Request.AfterSampling) continue;
            _decoding.Add(active[i]);
        }

        if (_decoding.Count == 0) return;
        // Every guess has logits of its own, and so has everybody's last token.
        var each = Math.Min(config.Step.BatchTokens - tokens, outputs - active.Count) / _decoding.Count;
        foreach (var generation in _decoding)
        {
            var left = (generation.Request.MaxTokens ?? int.MaxValue) - generation.Generated - 1;
            _room.Add(Math.Max(0, Math.Min(Math.Min(each, left), config.ContextLimit - generation.TokenCount - 1)));
        }

        drafter.Draft(_decoding, CollectionsMarshal.AsSpan(_room));
    }

    /// <summary>No guesses for this step after all.</summary>
    public void Drop()
    {
        foreach (var generation in _decoding) generation.Guesses.Clear();
    }

    public void Forget(Generation generation) => drafter?.Forget(generation);
}
