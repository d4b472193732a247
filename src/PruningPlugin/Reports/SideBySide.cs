using System.Collections.Immutable;
using System.Text;
using FinerCut.Jobs;
using FinerCut.Pruning.Texts;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Reports;

/// <summary>
/// Greedy continuations of a few openings of our own by two models: what a change of so many nats looks like. Nobody's traffic is shown, so a
/// report may be passed on. Runs on the calling thread.
/// </summary>
internal static class SideBySide
{
    private const int Openings = 4;
    private const int Tokens = 40;

    public static ImmutableArray<PruneExample> Make(ILlamaModel full, ILlamaModel lean, int threads, CancellationToken cancellationToken)
    {
        // Spread over the list: fiction, code, questions, news.
        string[] openings = [.. Enumerable.Range(0, Openings).Select(number => TextOpenings.All[(5 + (number * TextOpenings.All.Length / Openings)) % TextOpenings.All.Length])];
        var (before, after) = (Continue(full, openings, threads, cancellationToken), Continue(lean, openings, threads, cancellationToken));
        return [.. openings.Select((opening, number) => new PruneExample(opening, before[number], after[number]))];
    }

    private static string[] Continue(ILlamaModel model, string[] openings, int threads, CancellationToken cancellationToken)
    {
        using var session = model.Open(new SessionOptions { ContextLength = 256, BatchSize = 256, MicroBatchSize = 256, MaxSequences = 1, MaxOutputs = 1, Threads = threads, BatchThreads = threads });
        using var sampler = session.CreateSampler(new SamplerOptions { Temperature = 0 });
        return [.. openings.Select(opening => Continue(model, session, sampler, opening, cancellationToken))];
    }

    private static string Continue(ILlamaModel model, ILlamaSession session, ISampler sampler, string opening, CancellationToken cancellationToken)
    {
        session.Memory.Clear();
        var batch = new TokenBatch(256);
        var tokens = model.Vocabulary.Tokenize(opening, addSpecial: true, parseSpecial: false).Take(64).ToArray();
        if (tokens.Length == 0) return "";
        for (var position = 0; position < tokens.Length; position++) batch.Add(tokens[position], position, 0, position == tokens.Length - 1);
        var bytes = new List<byte>();
        var piece = new byte[512];
        for (var made = 0; made < Tokens; made++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (session.Decode(batch) != DecodeStatus.Done) break;
            var token = sampler.Sample(batch.Count - 1);
            if (model.Vocabulary.IsEndOfGeneration(token)) break;
            bytes.AddRange(piece.AsSpan(0, Math.Max(0, model.Vocabulary.Piece(token, piece, special: false))));
            batch.Clear();
            batch.Add(token, tokens.Length + made, 0, true);
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }
}
