using FinerCut.Runtime;

namespace FinerCut.Worker.Sequences;

/// <summary>What a context's memory can do; probed once at start.</summary>
/// <param name="PartialRemoval">Positions can be taken off a sequence's end. Recurrent memory cannot: it is all or nothing.</param>
public sealed record MemoryTraits(bool PartialRemoval);

/// <summary>
/// All sequences of a context: which are at work, which are kept because a later prompt may begin alike, and which go first when room is needed.
/// Common prefixes share KV cells (llama_memory_seq_cp). Belongs to the thread of the session.
/// </summary>
public sealed class SequenceStore
{
    private readonly ISequenceMemory _memory;
    private readonly CellLedger _ledger = new();
    private readonly Sequence[] _sequences;
    private readonly MemoryTraits _traits;
    private long _uses;

    /// <param name="count">Sequence ids of the context: those at work and those kept.</param>
    /// <param name="cells">KV cells of the context.</param>
    public SequenceStore(ISequenceMemory memory, int count, int cells, MemoryTraits traits)
    {
        _memory = memory;
        _traits = traits;
        _sequences = [.. Enumerable.Range(0, count).Select(id => new Sequence(id))];
        Cells = cells;
    }

    public int Cells { get; }

    public IReadOnlyList<Sequence> All => _sequences;

    /// <summary>Sequences may share cells. Memory that cannot be cut cannot be shared in parts either.</summary>
    public bool CanShare => _traits.PartialRemoval;

    public int UsedCells => _ledger.Used;

    public int FreeCells => Cells - _ledger.Used;

    /// <summary>Sequences kept for their prefix alone.</summary>
    public int Kept => _sequences.Count(sequence => !sequence.InUse && sequence.Length > 0);

    /// <summary>Cells that only kept sequences hold, at least: what eviction is sure to free.</summary>
    public int EvictableCells => _sequences.Where(sequence => !sequence.InUse).Sum(sequence => CellLedger.Private(sequence.Cells));

    /// <summary>
    /// A sequence to work on, holding as much of the prompt's beginning as any sequence has computed, but never its last token, whose logits
    /// are wanted. Null where all sequences are at work.
    /// </summary>
    /// <param name="reuse">False computes everything afresh.</param>
    /// <param name="adapterSet">Only what was computed with the same adapter strengths can be reused.</param>
    /// <param name="wanted">The sequence to work in, where nobody else does; -1 = any.</param>
    public Sequence? Take(ReadOnlySpan<int> prompt, bool reuse, int adapterSet = 0, int wanted = -1)
    {
        var sequence = wanted >= 0 && _sequences[wanted] is { InUse: false } own ? Fill(own, prompt, reuse, adapterSet) : Find(prompt, reuse, adapterSet);
        if (sequence is not null) sequence.AdapterSet = adapterSet;
        return sequence;
    }

    private Sequence? Find(ReadOnlySpan<int> prompt, bool reuse, int adapterSet)
    {
        var source = reuse ? Best(prompt, adapterSet, out var common) : None(out common);
        // Going on in place loses nothing where all of the kept sequence is wanted.
        if (source is { InUse: false } && common == source.Length) return Use(source);

        var target = Vacant();
        if (target is null)
        {
            var oldest = Oldest();
            if (oldest is null) return null;
            CutTo(oldest, oldest == source ? common : 0);
            if (oldest == source) return Use(oldest);
            target = oldest;
        }

        if (source is not null) Copy(source, target, common);
        return Use(target);
    }

    /// <summary>This sequence, with what anybody has computed of the prompt's beginning in place of what it holds.</summary>
    private Sequence Fill(Sequence target, ReadOnlySpan<int> prompt, bool reuse, int adapterSet)
    {
        var source = reuse ? Best(prompt, adapterSet, out var common) : None(out common);
        CutTo(target, source == target ? common : 0);
        if (source is not null && source != target && CanShare) Copy(source, target, common);
        return Use(target);
    }

    /// <summary>Tokens that the next <see cref="Take"/> of this prompt would find computed.</summary>
    public int Foresee(ReadOnlySpan<int> prompt, int adapterSet = 0)
    {
        Best(prompt, adapterSet, out var common);
        return common;
    }

    /// <summary>Puts the leader's next computed tokens, up to <paramref name="length"/>, into a sequence that has computed less of the same beginning.</summary>
    public void Adopt(Sequence target, Sequence leader, int length)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(leader);
        length = Math.Min(length, leader.Length);
        if (length <= target.Length) return;
        CutTo(target, 0);
        Copy(leader, target, length);
    }

    /// <summary>These tokens were decoded at the sequence's end.</summary>
    public void Extend(Sequence sequence, ReadOnlySpan<int> tokens)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        sequence.Append(tokens);
        _ledger.Grow(sequence.Cells, tokens.Length);
        sequence.LastUse = ++_uses;
    }

    /// <summary>Gives up what the sequence holds from <paramref name="length"/> on. Memory that cannot be cut loses all of it.</summary>
    public void Shorten(Sequence sequence, int length)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        if (length < sequence.Length) CutTo(sequence, length);
    }

    /// <summary>Puts saved tokens into a sequence that nobody works on. Kept prefixes make room where it is needed.</summary>
    /// <param name="load">Fills the sequence's memory and returns its tokens and the set of adapter strengths they were computed with; called again after room was made.</param>
    /// <exception cref="LlamaException">It cannot be loaded, with all of the room there is.</exception>
    public void Restore(Sequence sequence, Func<(int[] Tokens, int AdapterSet)> load)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        ArgumentNullException.ThrowIfNull(load);
        if (sequence.InUse) throw new InvalidOperationException("The sequence is at work.");
        CutTo(sequence, 0);
        while (true)
        {
            try
            {
                var (tokens, adapterSet) = load();
                sequence.Append(tokens);
                sequence.AdapterSet = adapterSet;
                break;
            }
            catch (LlamaException) when (Evict())
            {
                // With more room it may fit.
            }
        }

        _ledger.Grow(sequence.Cells, sequence.Length);
        sequence.LastUse = ++_uses;
    }

    /// <summary>The request is done with it.</summary>
    /// <param name="keep">Keep what is computed, for prompts that begin alike.</param>
    public void Return(Sequence sequence, bool keep)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        sequence.InUse = false;
        sequence.LastUse = ++_uses;
        if (!keep || IsCovered(sequence)) CutTo(sequence, 0);
    }

    /// <summary>Forgets the kept sequence that was not used for longest. False where none is kept.</summary>
    public bool Evict()
    {
        if (Oldest() is not { } oldest) return false;
        CutTo(oldest, 0);
        return true;
    }

    private Sequence? Oldest()
    {
        Sequence? oldest = null;
        foreach (var sequence in _sequences)
        {
            if (sequence.InUse || sequence.Length == 0) continue;
            if (oldest is null || sequence.LastUse < oldest.LastUse) oldest = sequence;
        }

        return oldest;
    }

    private Sequence Use(Sequence sequence)
    {
        sequence.InUse = true;
        sequence.LastUse = ++_uses;
        return sequence;
    }

    private static Sequence? None(out int common)
    {
        common = 0;
        return null;
    }

    private Sequence? Best(ReadOnlySpan<int> prompt, int adapterSet, out int common)
    {
        Sequence? best = None(out common);
        var most = prompt.Length - 1;
        foreach (var sequence in _sequences)
        {
            if (sequence.AdapterSet != adapterSet) continue;
            var shared = Math.Min(most, sequence.Tokens.CommonPrefixLength(prompt));
            // Memory that cannot be cut can only be gone on with, as a whole and in place.
            if (!_traits.PartialRemoval && (sequence.InUse || shared < sequence.Length)) continue;
            if (shared < common || shared == 0) continue;
            // Of equals, one that can be gone on with in place costs nothing.
            if (shared == common && (best is { InUse: false } && best.Length == common)) continue;
            best = sequence;
            common = shared;
        }

        return best;
    }

    private Sequence? Vacant()
    {
        foreach (var sequence in _sequences)
        {
            if (sequence is { InUse: false, Length: 0 }) return sequence;
        }

        return null;
    }

    /// <summary>Whether another sequence holds all of this one's tokens, so that keeping it is of no use.</summary>
    private bool IsCovered(Sequence sequence)
    {
        foreach (var other in _sequences)
        {
            if (other != sequence && other.AdapterSet == sequence.AdapterSet && other.Length >= sequence.Length && other.Tokens.StartsWith(sequence.Tokens)) return true;
        }

        return false;
    }

    private void Copy(Sequence source, Sequence target, int length)
    {
        _memory.Copy(source.Id, target.Id, 0, length);
        CellLedger.Share(source.Cells, target.Cells, length);
        target.Append(source.Tokens[..length]);
        source.LastUse = ++_uses;
    }

    private void CutTo(Sequence sequence, int length)
    {
        if (length == sequence.Length) return;
        if (!_memory.Remove(sequence.Id, length, -1))
        {
            _memory.Remove(sequence.Id, -1, -1);
            length = 0;
        }

        _ledger.Truncate(sequence.Cells, length);
        sequence.Cut(length);
    }
}
