using FinerCut.Runtime;

namespace FinerCut.Pruning.Texts;

/// <summary>Texts gone on with by a model, all in one memory. Same model, samplers and company, same tokens. Runs on the calling thread.</summary>
internal static class TextContinuation
{
    private const int MicroBatch = 256;

    /// <param name="texts">Tokens so far, at least one each; new ones are added.</param>
    /// <param name="most">Tokens added to a text at most; it ends earlier where the model ends it.</param>
    /// <param name="samplers">Of each text.</param>
    public static void Run(
        ILlamaModel model, IReadOnlyList<List<int>> texts, Func<List<int>, int> most, Func<int, SamplerOptions> samplers, int threads, CancellationToken cancellationToken)
    {
        int[] limits = [.. texts.Select(text => text.Count + most(text))];
        var capacity = Math.Max(texts.Sum(text => text.Count), texts.Count);
        using var session = model.Open(new SessionOptions
        {
            ContextLength = (limits.Sum() + 255) / 256 * 256, BatchSize = capacity, MicroBatchSize = Math.Min(MicroBatch, capacity),
            MaxSequences = texts.Count, MaxOutputs = texts.Count, Threads = threads, BatchThreads = threads,
            Abort = () => cancellationToken.IsCancellationRequested,
        });
        var batch = new TokenBatch(capacity);
        var row = new int[texts.Count];
        for (var text = 0; text < texts.Count; text++)
        {
            for (var position = 0; position < texts[text].Count; position++) row[text] = batch.Add(texts[text][position], position, text, position == texts[text].Count - 1);
        }

        ISampler[] chains = [.. texts.Select((_, text) => session.CreateSampler(samplers(text)))];
        try
        {
            var open = Enumerable.Range(0, texts.Count).Where(text => texts[text].Count < limits[text]).ToList();
            while (open.Count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var status = session.Decode(batch);
                cancellationToken.ThrowIfCancellationRequested();
                if (status != DecodeStatus.Done) throw new LlamaException(LlamaErrorCode.DecodeFailed, $"Going on with {open.Count} texts ended with {status}.");
                int[] sampled = [.. open.Select(text => chains[text].Sample(row[text]))];
                batch.Clear();
                foreach (var (text, token) in open.ToArray().Zip(sampled))
                {
                    var ends = model.Vocabulary.IsEndOfGeneration(token);
                    if (!ends) texts[text].Add(token);
                    if (ends || texts[text].Count >= limits[text]) open.Remove(text);
                    else row[text] = batch.Add(token, texts[text].Count - 1, text, true);
                }
            }
        }
        finally
        {
            foreach (var chain in chains) chain.Dispose();
        }
    }
}
