namespace FinerCut.Pruning.Searches;

/// <summary>The races of one search, and what they found out about each candidate. One owner.</summary>
internal sealed class Race(SearchRun run, RaceOptions options, GrowthEstimates? known = null)
{
    /// <summary>Removals that go together may hurt this many times more than the sum of each alone; beyond that only the winner goes.</summary>
    private const double Tolerance = 1.25;

    private readonly GrowthEstimates _estimates = known ?? new(run.Problem);
    private int _round = known?.LastRound ?? 0;

    /// <summary>Races from another run's mask, with what is known so far; this one learns nothing of them.</summary>
    public Race On(SearchRun other) => new(other, options, _estimates.Copy());

    /// <summary>The candidate came back: what was known of it no longer holds.</summary>
    public void Forget(int candidate) => _estimates.Forget(candidate);

    /// <summary>Removes until the budget is reached or nothing may go.</summary>
    /// <param name="isAllowed">Candidates, by index, that may go.</param>
    public void ToTheBudget(Func<int, bool>? isAllowed = null)
    {
        while (!run.IsDone)
        {
            var ranked = Ranked(isAllowed ?? (_ => true));
            if (ranked.Length == 0) return;
            if (!TakeTogether(ranked)) Take(ranked[0]);
        }
    }

    /// <summary>A candidate went otherwise than by a race of this run.</summary>
    public void Took(int candidate, double growth) => _estimates.Taken(candidate, growth);

    /// <summary>Open candidates after one race, the winner (the only one sure to have been asked on all tokens) first; empty where none is open.</summary>
    public int[] Ranked(Func<int, bool> isAllowed)
    {
        int[] open = [.. run.Problem.Open(run.Mask).Where(isAllowed)];
        if (open.Length == 0) return [];
        _round++;
        run.Rebase();
        int[] unknown = [.. _estimates.WithoutAny(open)];
        Prepare(unknown, options.FirstShare);
        foreach (var candidate in unknown) Look(candidate, options.FirstShare);
        int[] ranked = [.. open.OrderBy(Price).ThenBy(candidate => candidate)];
        int[] field = [.. ranked.Take(options.Shortlist).Concat(ranked.Skip(options.Shortlist).OrderBy(_estimates.LookedAt).Take(options.Refreshed))];
        int[] rest = [.. open.Except(field)];
        var dropped = new List<int>();
        for (var share = Math.Min(1, 2 * options.FirstShare); ; share = Math.Min(1, 2 * share))
        {
            Prepare(field, share);
            foreach (var candidate in field) Look(candidate, share);
            field = [.. field.OrderBy(Price).ThenBy(candidate => candidate)];
            if (share >= 1) return [.. field, .. dropped.Concat(rest).OrderBy(Price).ThenBy(candidate => candidate)];
            var kept = Math.Max(Math.Min(2, field.Length), (field.Length + 1) / 2);
            dropped.AddRange(field[kept..]);
            field = field[..kept];
        }
    }

    private void Take(int candidate)
    {
        var growth = _estimates[candidate];
        run.Take(run.Problem.Candidates[candidate], growth);
        _estimates.Taken(candidate, growth);
    }

    /// <summary>Removes the winner with those next to it that this race looked at, if together they hurt about as much as each alone.</summary>
    private bool TakeTogether(int[] ranked)
    {
        if (run.Problem.Budget is not { Bytes: { } budget, Others.IsEmpty: true } || options.RoundShare <= 0) return false;
        var before = run.Problem.Costs.Bytes(run.Mask);
        var most = Math.Min(budget, before + (long)(options.RoundShare * budget));
        var (mask, sum, members) = (run.Mask, 0.0, new List<int>());
        foreach (var candidate in ranked.Where(candidate => _estimates.LookedAt(candidate) == _round))
        {
            var next = run.Problem.Candidates[candidate].Apply(mask);
            if (members.Count > 0 && (run.Problem.Costs.Bytes(mask) >= most || run.Problem.Costs.Bytes(next) > most + (most - before))) break;
            if (members.Any(member => run.Problem.Candidates[member].Units.Intersect(run.Problem.Candidates[candidate].Units).Any())) continue;
            (mask, sum) = (next, sum + _estimates[candidate]);
            members.Add(candidate);
        }

        if (members.Count < 2 || run.Problem.Costs.Bytes(mask) - before <= 0) return false;
        var growth = run.Score(mask, 1) - run.Distance;
        if (!(growth <= Tolerance * sum)) return false;
        var move = new Candidate(string.Join(' ', members.Select(member => run.Problem.Candidates[member].Name)), [.. members.SelectMany(member => run.Problem.Candidates[member].Units)]);
        run.Move(move, mask, run.Distance + growth);
        foreach (var member in members) _estimates.Taken(member, _estimates[member] * growth / sum);
        return true;
    }

    private void Prepare(int[] candidates, double share) => run.Prepare(candidates.Select(candidate => run.Problem.Candidates[candidate].Apply(run.Mask)), share);

    private void Look(int candidate, double share) => _estimates.Set(candidate, run.Growth(run.Problem.Candidates[candidate], share), _round);

    private double Price(int candidate) => run.Price(run.Problem.Candidates[candidate], _estimates[candidate]);
}
