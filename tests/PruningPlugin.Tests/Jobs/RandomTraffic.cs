using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Jobs;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Tests.Jobs;

/// <summary>Conversations of random tokens for jobs of models that were never taught any.</summary>
/// <param name="conversations">Of each of the two sets.</param>
/// <param name="length">Tokens of the first; each is one longer than that before it.</param>
/// <param name="lastOfCalibration">Stands in the last conversation of the calibration set.</param>
internal sealed class RandomTraffic(int conversations, int length, int? lastOfCalibration = null) : IPruneTrafficSource
{
    public PruneTraffic Draw(PruneRequest request, ILlamaModel model)
    {
        var random = new Random(3);
        CalibrationSet Set(string name) => new(name, [.. Enumerable.Range(0, conversations).Select(index =>
            new TokenSequence($"{name} {index}", [.. Enumerable.Range(0, length + index).Select(_ => random.Next(3, model.Info.VocabularySize))], 20))]);
        var (calibration, heldOut) = (Set("calibration"), Set("held-out"));
        if (lastOfCalibration is { } token)
        {
            var last = calibration.Sequences[^1];
            calibration = calibration with { Sequences = calibration.Sequences.SetItem(conversations - 1, last with { Tokens = last.Tokens.SetItem(30, token) }) };
        }

        return new PruneTraffic(calibration, heldOut);
    }
}

/// <summary>Hears a job's progress, on the thread that tells it.</summary>
internal sealed class Listener(Action<PruneProgress>? seen = null) : IProgress<PruneProgress>
{
    public void Report(PruneProgress value) => seen?.Invoke(value);
}
