using FinerCut.Runtime;
using FinerCut.Worker.Sequences;

namespace FinerCut.Worker.Batching;

/// <summary>
/// Who waits and who is at work, and who gives way when KV memory runs out. Admission is optimistic: a request starts once its prompt fits, and
/// where answers then outgrow the memory, kept prefixes go first and the youngest generation goes back to the queue after them.
/// Belongs to the loop's thread.
/// </summary>
internal sealed class Roster(SequenceStore store, BatchConfig config, TimeProvider clock)
{
    /// <summary>A common beginning that is being computed is worth waiting for from this length on.</summary>
    private const int LeastShared = 16;

    /// <summary>Cells left free for each sequence at work, so that it does not give way at once.</summary>
    private const int Headroom = 16;

    private readonly PromptPace _pace = new(config.Step);
    private readonly SlowLane _lane = new();

    /// <summary>Tokens of the last plan that were the slow lane's.</summary>
    private int _slow;

    private int _lastSet;

    /// <summary>Started since one was started for having come first.</summary>
    private int _overtakers;

    /// <summary>Something happened that may let another one start.</summary>
    private bool _changed;

    public List<Generation> Waiting { get; } = [];

    public List<Generation> Active { get; } = [];

    public void Enqueue(Generation generation)
    {
        Waiting.Add(generation);
        _changed = true;
    }

    /// <summary>
    /// Starts who fits: the shortest, and every fourth time the one that came first, whatever its length. One that does not fit holds back those behind it,
    /// or it would never start: with m requests before it, it starts within the next 4 (m + 1) starts.
    /// </summary>
    /// <returns>Those that were started.</returns>
    public IEnumerable<Generation> Admit()
    {
        if (!_changed) yield break;
        while (Waiting.Count > 0 && Active.Count < config.Parallel)
        {
            var oldest = Waiting.MinBy(generation => generation.ArrivedAt)!;
            var next = _overtakers >= StepPlanner.OldestPart - 1 ? oldest : Waiting.MinBy(RankOf)!;
            if (!TryStart(next))
            {
                _changed = false;
                yield break;
            }

            _overtakers = next == oldest ? 0 : _overtakers + 1;
            Waiting.Remove(next);
            yield return next;
        }
    }

    /// <summary>Shares of the next step, one for each active generation.</summary>
    /// <param name="adapterSet">Result: the set of adapter strengths of the step. Those with other ones wait for theirs.</param>
    public void Plan(Span<int> shares, out int adapterSet)
    {
        Span<StepItem> items = stackalloc StepItem[Active.Count];
        for (var i = 0; i < Active.Count; i++)
        {
            var generation = Active[i];
            Follow(generation);
            items[i] = new StepItem(generation.Remaining, RankOf(generation), generation.ArrivedAt, generation.Leader is not null);
        }

        for (var i = 0; i < Active.Count; i++)
        {
            // Who leads others works for them too: their common beginning comes as soon as the first of them would.
            if (Active[i].Leader is not { } leader) continue;
            var at = Active.IndexOf(leader);
            items[at] = items[at] with { Rank = Math.Min(items[at].Rank, items[i].Rank), Arrival = Math.Min(items[at].Arrival, items[i].Arrival) };
        }

        adapterSet = NextSet();
        for (var i = 0; i < Active.Count; i++) items[i] = items[i] with { Held = items[i].Held || Active[i].AdapterSet != adapterSet };
        PlanLanes(items, shares);
    }

    /// <summary>What the last plan took to compute.</summary>
    public void Record(int tokens, TimeSpan time)
    {
        _pace.Record(tokens, time);
        _lane.Record(tokens, _slow, time);
    }

    /// <summary>
    /// While shorter requests wait for a place, prompts longer than a chunk slow down the answers that are to make room for them no more than their lane
    /// allows. Where nothing decodes, nobody is slowed down.
    /// </summary>
    private void PlanLanes(Span<StepItem> items, Span<int> shares)
    {
        var decodes = false;
        foreach (var item in items) decodes |= item is { Remaining: 1, Held: false };
        var shortest = decodes && Waiting.Count > 0 ? Waiting.Min(generation => RankOf(generation)) : double.PositiveInfinity;
        if (!_lane.IsOpen)
        {
            foreach (ref var item in items) item = item with { Held = item.Held || IsSlow(item) };
        }

        StepPlanner.Plan(items, config.Step, _pace.Tokens, shares);
        _slow = 0;
        for (var i = 0; i < items.Length; i++)
        {
            if (IsSlow(items[i])) _slow += shares[i];
        }

        bool IsSlow(StepItem item) => item.Remaining > config.Step.ChunkTokens && item.Rank > shortest;
    }

    /// <summary>The sets of those at work take turns: a context computes with one at a time.</summary>
    private int NextSet()
    {
        int? next = null, first = null;
        foreach (var generation in Active)
        {
            var set = generation.AdapterSet;
            if (set > _lastSet && !(set >= next)) next = set;
            if (!(set >= first)) first = set;
        }

        return _lastSet = next ?? first ?? 0;
    }

    /// <summary>Numbers of the sets that somebody waits with, computes with, or has computed with.</summary>
    public IEnumerable<int> AdapterSets() =>
        Waiting.Concat(Active).Select(generation => generation.AdapterSet).Concat(store.All.Where(sequence => sequence.Length > 0).Select(sequence => sequence.AdapterSet));

    /// <summary>Frees cells after a decode found none. False where nothing is left to give.</summary>
    public bool MakeRoom()
    {
        if (store.Evict()) return true;
        if (Active.Count < 2) return false;
        var youngest = Active.MaxBy(generation => generation.StartedAt)!;
        Release(youngest, keep: false);
        Waiting.Add(youngest);
        _changed = false;
        return true;
    }

    /// <summary>Takes a generation off its sequence.</summary>
    /// <param name="keep">Keep what it has computed for prompts that begin alike.</param>
    public void Release(Generation generation, bool keep)
    {
        _changed = true;
        Waiting.Remove(generation);
        if (!Active.Remove(generation)) return;
        LetGo(generation);
        generation.Leader = null;
        store.Return(generation.Sequence!, keep);
        generation.Sequence = null;
    }

    /// <summary>Gives followers what there is of the common beginning now: the leader is about to lose it.</summary>
    public void LetGo(Generation leader)
    {
        foreach (var follower in Active)
        {
            if (follower.Leader == leader) Join(follower);
        }
    }

    private static double RankOf(Generation generation) => StepPlanner.Rank(generation.Remaining, generation.Request.Weight);

    private bool TryStart(Generation generation)
    {
        var reuse = generation.Request.CachePrompt;
        var leader = reuse ? FindLeader(generation, out var shared) : NoLeader(out shared);
        var sequence = store.Take(generation.Tokens, reuse, generation.AdapterSet, generation.Request.Sequence);
        if (sequence is null) return false;

        var needed = generation.TokenCount - Math.Max(sequence.Length, shared) + Headroom;
        foreach (var other in Active)
            needed += Headroom + other.Remaining - (other.Leader is null ? 0 : Math.Max(0, other.LeaderTokens - other.Computed));
        if (Active.Count > 0 && store.FreeCells + store.EvictableCells < needed)
        {
            store.Return(sequence, keep: true);
            return false;
        }

        // The taken sequence is at work from here on, so eviction cannot take the prefix away again.
        while (store.FreeCells < needed && store.Evict())
        {
        }

        generation.Sequence = sequence;
        generation.LastSequence = sequence.Id;
        generation.Leader = leader;
        generation.LeaderTokens = shared;
        if (generation.StartedAt == 0) generation.Cached = sequence.Length;
        generation.StartedAt = clock.GetTimestamp();
        Active.Add(generation);
        return true;
    }

    private static Generation? NoLeader(out int shared)
    {
        shared = 0;
        return null;
    }

    /// <summary>The active generation that is about to compute more of this prompt's beginning than anybody has.</summary>
    private Generation? FindLeader(Generation generation, out int shared)
    {
        Generation? leader = NoLeader(out shared);
        if (!store.CanShare) return null;
        var prompt = generation.Tokens[..^1];
        var known = store.Foresee(generation.Tokens, generation.AdapterSet);
        foreach (var other in Active)
        {
            if (other.AdapterSet != generation.AdapterSet) continue;
            var common = other.Tokens.CommonPrefixLength(prompt);
            if (common <= other.Computed || common < known + LeastShared || common <= shared) continue;
            leader = other;
            shared = common;
        }

        // A follower's own leader has the same beginning and is further ahead; waiting in chains is of no use.
        if (leader?.Leader is { } first && leader.LeaderTokens >= shared) leader = first;
        return leader;
    }

    /// <summary>Lets a follower go once its leader has computed their common beginning.</summary>
    private void Follow(Generation generation)
    {
        if (generation.Leader is { } leader && leader.Computed >= generation.LeaderTokens) Join(generation);
    }

    private void Join(Generation follower)
    {
        var before = follower.Computed;
        store.Adopt(follower.Sequence!, follower.Leader!.Sequence!, follower.LeaderTokens);
        if (follower.Generated == 0) follower.Cached += follower.Computed - before;
        follower.Leader = null;
    }
}
