using System.Collections.Concurrent;

namespace FinerCut.Gateway.Memory;

/// <summary>
/// One wake a model at a time. A model that is wanted while a wake of it runs is woken once more after it: the running one may have looked before
/// the model was unloaded. Thread-safe.
/// </summary>
/// <param name="wake">Must not throw.</param>
public sealed class Wakes(Func<string, Task> wake)
{
    /// <summary>How often each model was wanted since its wakes began.</summary>
    private readonly ConcurrentDictionary<string, long> _wanted = new(StringComparer.Ordinal);

    public void Want(string modelId)
    {
        if (_wanted.AddOrUpdate(modelId, 1, (_, times) => times + 1) == 1) _ = Task.Run(() => RunAsync(modelId));
    }

    private async Task RunAsync(string modelId)
    {
        long seen;
        do
        {
            seen = _wanted[modelId];
            await wake(modelId);
        }
        while (!_wanted.TryRemove(KeyValuePair.Create(modelId, seen)));
    }
}
