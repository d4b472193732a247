using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Queueing;

/// <summary>Whose request waits, and how it counts against others.</summary>
/// <param name="Flow">Requests of one flow stay in their order; flows share by weight. A key's id.</param>
/// <param name="Cost">What it takes from the flow's share, such as its estimated tokens; at least 1.</param>
public sealed record QueueClaim(string Flow, PriorityClass Priority, int Weight, long Cost)
{
    /// <summary>Share of the flow: eight times more a class, so that a low class is slowed but never starved.</summary>
    public double Share => Math.Max(1, Weight) * (Priority switch { PriorityClass.High => 64, PriorityClass.Normal => 8, _ => 1 });
}

/// <summary>
/// The order of service: start-time fair queueing (Goyal, Vin, Cheng 1996). A flow's next request starts, in virtual time, where its last
/// one finished or now, whichever is later; the smallest start is served. Busy flows get service in proportion to their shares, and a flow
/// that was idle is served next. Deterministic, without clock or threads; not thread-safe: <see cref="FairQueue"/> owns it.
/// </summary>
/// <typeparam name="T">What waits; compared by reference or equality.</typeparam>
public sealed class FairOrder<T> where T : class
{
    private readonly Dictionary<string, Flow> _flows = new(StringComparer.Ordinal);
    private readonly SortedSet<Flow> _heads = new(Comparer<Flow>.Create(Compare));
    private double _now;
    private long _arrivals;

    public int Count { get; private set; }

    public int CountOf(string flow) => _flows.TryGetValue(flow, out var found) ? found.Waiting.Count : 0;

    public void Add(T item, QueueClaim claim)
    {
        if (!_flows.TryGetValue(claim.Flow, out var flow)) _flows[claim.Flow] = flow = new Flow(_now);
        flow.Waiting.AddLast(new Waiter(item, claim, _arrivals++));
        Count++;
        if (flow.Waiting.Count > 1) return;
        flow.Start = Math.Max(_now, flow.Finish);
        _heads.Add(flow);
    }

    /// <summary>Takes the request to be served next.</summary>
    public bool TryTake(out T? item, out QueueClaim? claim)
    {
        (item, claim) = (null, null);
        if (_heads.Min is not { } flow) return false;
        var head = flow.Head;
        (item, claim) = (head.Item, head.Claim);
        _now = flow.Start;
        Leave(flow, flow.Waiting.First!, flow.Start + (head.Claim.Cost / head.Claim.Share));
        Forget();
        return true;
    }

    /// <summary>Takes a request out of the middle; it costs its flow nothing.</summary>
    /// <returns>False when it does not wait.</returns>
    public bool Remove(T item, string flowName)
    {
        if (!_flows.TryGetValue(flowName, out var flow)) return false;
        for (var node = flow.Waiting.First; node is not null; node = node.Next)
        {
            if (!ReferenceEquals(node.Value.Item, item)) continue;
            Leave(flow, node, node == flow.Waiting.First ? flow.Start : flow.Finish);
            return true;
        }

        return false;
    }

    /// <summary>How many would be served before the flow's first request if nobody came any more; -1 when none of it waits.</summary>
    public int PositionOf(string flow)
    {
        if (!_flows.TryGetValue(flow, out var found) || found.Waiting.Count == 0) return -1;
        return Order().TakeWhile(item => !ReferenceEquals(item, found.Head.Item)).Count();
    }

    /// <summary>The waiting requests in the order in which they would be served if nobody came any more.</summary>
    public IEnumerable<T> Order() => _flows.Values
        .SelectMany(flow => flow.Waiting.Select((waiter, i) => (waiter, Start: flow.StartOf(i))))
        .OrderBy(row => row.Start).ThenBy(row => row.Start + (row.waiter.Claim.Cost / row.waiter.Claim.Share)).ThenBy(row => row.waiter.Arrival)
        .Select(row => row.waiter.Item);

    /// <summary>The newest request of the lowest class below this one, of the flow that waits with most: whom to drop for it.</summary>
    public (T Item, string Flow)? LowestBelow(PriorityClass priority)
    {
        var lowest = _flows.Values.SelectMany(flow => flow.Waiting.Select(waiter => (waiter, flow.Waiting.Count)))
            .Where(row => row.waiter.Claim.Priority < priority)
            .OrderBy(row => row.waiter.Claim.Priority).ThenByDescending(row => row.Count).ThenByDescending(row => row.waiter.Arrival)
            .Select(row => row.waiter).FirstOrDefault();
        return lowest is null ? null : (lowest.Item, lowest.Claim.Flow);
    }

    private void Leave(Flow flow, LinkedListNode<Waiter> node, double finish)
    {
        var wasHead = node == flow.Waiting.First;
        if (wasHead) _heads.Remove(flow);
        flow.Waiting.Remove(node);
        Count--;
        if (!wasHead) return;
        flow.Finish = finish;
        if (flow.Waiting.Count == 0) return;
        flow.Start = Math.Max(_now, finish);
        _heads.Add(flow);
    }

    /// <summary>An idle flow whose finish has passed is as good as a new one.</summary>
    private void Forget()
    {
        if (_flows.Count <= 64 + (2 * _heads.Count)) return;
        foreach (var (name, flow) in _flows)
        {
            if (flow.Waiting.Count == 0 && flow.Finish <= _now) _flows.Remove(name);
        }
    }

    private static int Compare(Flow? a, Flow? b)
    {
        if (ReferenceEquals(a, b)) return 0;
        var byStart = a!.Start.CompareTo(b!.Start);
        if (byStart != 0) return byStart;
        var byFinish = a.FinishOfHead.CompareTo(b.FinishOfHead);
        return byFinish != 0 ? byFinish : a.Head.Arrival.CompareTo(b.Head.Arrival);
    }

    private sealed record Waiter(T Item, QueueClaim Claim, long Arrival);

    private sealed class Flow(double finish)
    {
        public LinkedList<Waiter> Waiting { get; } = new();

        /// <summary>Virtual start of the head.</summary>
        public double Start { get; set; }

        /// <summary>Virtual finish of what was served last.</summary>
        public double Finish { get; set; } = finish;

        public Waiter Head => Waiting.First!.Value;

        public double FinishOfHead => Start + (Head.Claim.Cost / Head.Claim.Share);

        public double StartOf(int index) => Start + Waiting.Take(index).Sum(waiter => waiter.Claim.Cost / waiter.Claim.Share);
    }
}
