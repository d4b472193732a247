namespace FinerCut.Pruning.Dealing;

/// <summary>Masks that one scorer is to score on one batch of tokens.</summary>
/// <param name="Scorer">Index of the scorer.</param>
/// <param name="Batch">Index of the batch.</param>
/// <param name="Masks">Indices of masks.</param>
public sealed record DealShare(int Scorer, int Batch, IReadOnlyList<int> Masks);

/// <summary>
/// Who scores what: masks × batches of tokens are dealt to scorers on several machines in shares that get smaller towards the end. A scorer stays
/// with the batch whose residual states it has; one that runs out of work takes over what another has had longest, and whoever is first counts. So a
/// slow or dead machine costs its own share at most. Pure but for its own state: driven by real scorers (<see cref="DealtScorer"/>) and by a simulation
/// (bench/ScaleBench). Not thread-safe.
/// </summary>
public sealed class Deal
{
    /// <summary>Of what is left, one share takes one part in this many times the scorers.</summary>
    private const int Parts = 3;

    private const int LargestShare = 16;

    /// <summary>Scorers that work on the same item at most.</summary>
    private const int Copies = 2;

    private readonly int _masks;
    private readonly int _scorers;
    private readonly Queue<int>[] _waiting;
    private readonly bool[] _done;
    private readonly int[] _home;
    private readonly bool[] _benched;
    private readonly List<DealShare> _out = [];
    private int _left;
    private int _undealt;

    /// <param name="masks">Masks to be scored, the ones that take longest first.</param>
    /// <param name="batches">Batches of tokens, each of which every mask is scored on.</param>
    /// <param name="scorers">At least one.</param>
    /// <param name="homes">The batch whose states each scorer has; -1 where it has none. Null: none has any.</param>
    public Deal(int masks, int batches, int scorers, IReadOnlyList<int>? homes = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(masks);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batches);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(scorers);
        (_masks, _scorers) = (masks, scorers);
        _waiting = [.. Enumerable.Range(0, batches).Select(_ => new Queue<int>(Enumerable.Range(0, masks)))];
        _done = new bool[masks * batches];
        _home = homes is null ? [.. Enumerable.Repeat(-1, scorers)] : [.. homes];
        _benched = new bool[scorers];
        _left = _undealt = masks * batches;
    }

    public bool IsDone => _left == 0;

    /// <summary>Whether any scorer can still be dealt to, or has something.</summary>
    public bool IsHopeless => _left > 0 && _out.Count == 0 && _benched.All(benched => benched);

    /// <summary>The batch that each scorer was last on.</summary>
    public IReadOnlyList<int> Homes => _home;

    /// <summary>The next share of a scorer that has none; null where there is nothing for it now.</summary>
    public DealShare? Take(int scorer)
    {
        if (_left == 0 || _benched[scorer]) return null;
        var share = _undealt > 0 ? Fresh(scorer) : Overdue(scorer);
        if (share is not null) _out.Add(share);
        return share;
    }

    /// <summary>The share is scored. Gives the masks of it that nobody had scored before: theirs are the sums that count.</summary>
    public IReadOnlyList<int> Done(DealShare share)
    {
        ArgumentNullException.ThrowIfNull(share);
        _out.Remove(share);
        var first = share.Masks.Where(mask => !_done[Item(share.Batch, mask)]).ToArray();
        foreach (var mask in first) _done[Item(share.Batch, mask)] = true;
        _left -= first.Length;
        return first;
    }

    /// <summary>The share will not be scored: what nobody else has goes back. The scorer gets nothing until <see cref="Welcome"/>.</summary>
    public void Failed(DealShare share)
    {
        ArgumentNullException.ThrowIfNull(share);
        _out.Remove(share);
        _benched[share.Scorer] = true;
        _home[share.Scorer] = -1;
        foreach (var mask in share.Masks.Where(mask => !_done[Item(share.Batch, mask)] && !_out.Any(other => Holds(other, share.Batch, mask))))
        {
            _waiting[share.Batch].Enqueue(mask);
            _undealt++;
        }
    }

    /// <summary>The scorer is there again.</summary>
    public void Welcome(int scorer) => _benched[scorer] = false;

    private DealShare Fresh(int scorer)
    {
        var batch = _home[scorer];
        // Without work at its own batch: where most is left for each that is at it.
        if (batch < 0 || _waiting[batch].Count == 0)
        {
            batch = Enumerable.Range(0, _waiting.Length).Where(other => _waiting[other].Count > 0)
                .MaxBy(other => (_waiting[other].Count / (1.0 + _home.Where((home, who) => home == other && who != scorer && !_benched[who]).Count()), -other));
        }

        _home[scorer] = batch;
        var most = Math.Clamp(_undealt / (Parts * _scorers), 1, LargestShare);
        var masks = new List<int>();
        while (masks.Count < most && _waiting[batch].TryDequeue(out var mask)) masks.Add(mask);
        _undealt -= masks.Count;
        return new DealShare(scorer, batch, masks);
    }

    /// <summary>The second half of what somebody else has had longest: he is at the first.</summary>
    private DealShare? Overdue(int scorer)
    {
        foreach (var slow in _out.Where(share => share.Scorer != scorer).OrderByDescending(share => _home[scorer] == share.Batch))
        {
            var open = slow.Masks.Where(mask => !_done[Item(slow.Batch, mask)] && _out.Count(share => Holds(share, slow.Batch, mask)) < Copies).ToArray();
            if (open.Length == 0) continue;
            _home[scorer] = slow.Batch;
            return new DealShare(scorer, slow.Batch, open[(open.Length / 2)..]);
        }

        return null;
    }

    private static bool Holds(DealShare share, int batch, int mask) => share.Batch == batch && share.Masks.Contains(mask);

    private int Item(int batch, int mask) => (batch * _masks) + mask;
}
