using System.Collections.Immutable;
using FinerCut.Calibration;

namespace FinerCut.Pruning.Scoring;

/// <summary>One decode's sequences: indices into the set, and where each one's rows begin in it.</summary>
internal sealed record PackedSequences(ImmutableArray<(TokenSequence Sequence, int Index, int FirstRow)> Sequences, int Tokens)
{
    /// <summary>Where the decode's rows begin in the set.</summary>
    public int FirstRow => Sequences[0].FirstRow;

    /// <summary>The same sequences, with where each one's rows begin in the decode.</summary>
    public IEnumerable<(TokenSequence Sequence, int Index, int Start)> InDecode => Sequences.Select(packed => (packed.Sequence, packed.Index, packed.FirstRow - FirstRow));
}

/// <summary>
/// A set's sequences packed into decodes: several short conversations share one, since small batches waste the processor. The packing
/// depends on nothing but the set and the capacity, so that masked model and written file see the same batches. Pure.
/// </summary>
internal sealed class TokenBatches
{
    /// <summary>Most sequences in one decode (llama.cpp takes up to 256).</summary>
    public const int MaxSequences = 32;

    private TokenBatches(ImmutableArray<PackedSequences> batches, int capacity)
    {
        Batches = batches;
        Capacity = capacity;
        Rows = batches.Sum(batch => batch.Tokens);
    }

    public ImmutableArray<PackedSequences> Batches { get; }

    /// <summary>Tokens of the largest decode allowed.</summary>
    public int Capacity { get; }

    /// <summary>Tokens of all decodes.</summary>
    public int Rows { get; }

    /// <param name="set">Sequences, in order.</param>
    /// <param name="capacity">Most tokens a decode; the longest sequence where that is longer.</param>
    public static TokenBatches Pack(CalibrationSet set, int capacity)
    {
        capacity = Math.Max(capacity, set.Sequences.Max(sequence => sequence.Tokens.Length));
        var open = new List<(List<int> Members, int Tokens)>();
        for (var index = 0; index < set.Sequences.Length; index++)
        {
            var length = set.Sequences[index].Tokens.Length;
            if (length == 0) continue;
            var at = open.FindIndex(batch => batch.Tokens + length <= capacity && batch.Members.Count < MaxSequences);
            if (at < 0)
            {
                open.Add(([], 0));
                at = open.Count - 1;
            }

            open[at].Members.Add(index);
            open[at] = (open[at].Members, open[at].Tokens + length);
        }

        var first = 0;
        var batches = ImmutableArray.CreateBuilder<PackedSequences>();
        foreach (var (members, tokens) in open)
        {
            var sequences = ImmutableArray.CreateBuilder<(TokenSequence, int, int)>();
            foreach (var index in members)
            {
                sequences.Add((set.Sequences[index], index, first));
                first += set.Sequences[index].Tokens.Length;
            }

            batches.Add(new PackedSequences(sequences.ToImmutable(), tokens));
        }

        return new TokenBatches(batches.ToImmutable(), capacity);
    }
}
