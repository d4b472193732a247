using FinerCut.Jobs;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// What a search believes that each candidate's removal adds to the distance. Most candidates are parts or unions of others: where one was never
/// looked at, those tell. A part of a sublayer is taken for its share of the sublayer's harm (distances grow with the square of what is lost, as
/// does the energy that the shares are made of), a block for the sum of its sublayers. One owner.
/// </summary>
internal sealed class GrowthEstimates
{
    private readonly SearchProblem _problem;
    private readonly double[] _growth;
    private readonly int[] _lookedAt;
    private readonly int[][] _within;
    private readonly int[] _parent;
    private readonly int[] _previous;

    public GrowthEstimates(SearchProblem problem)
    {
        _problem = problem;
        var candidates = problem.Candidates;
        _growth = new double[candidates.Count];
        _lookedAt = new int[candidates.Count];
        Array.Fill(_growth, double.NaN);
        var sets = candidates.Select(candidate => candidate.Units.ToHashSet()).ToArray();
        var sublayers = Enumerable.Range(0, candidates.Count).Where(index => candidates[index].Grain == PruneGrain.Sublayer).ToArray();
        _parent = [.. Enumerable.Range(0, candidates.Count).Select(index => sublayers.Where(other => other != index && sets[index].IsProperSubsetOf(sets[other])).DefaultIfEmpty(-1).First())];
        _within = [.. Enumerable.Range(0, candidates.Count).Select(index => sublayers.Where(other => sets[other].IsProperSubsetOf(sets[index])).ToArray())];
        for (var index = 0; index < _within.Length; index++)
        {
            // Only a union of sublayers is known by them: one of which a part must stay is not.
            if (_within[index].Sum(other => sets[other].Count) != sets[index].Count) _within[index] = [];
        }

        _previous = [.. Enumerable.Range(0, candidates.Count).Select(index => candidates[index].After.IsEmpty
            ? -1
            : Enumerable.Range(0, candidates.Count).Where(other => candidates[other].Units.SequenceEqual([candidates[index].After[^1]])).DefaultIfEmpty(-1).First())];
    }

    private GrowthEstimates(GrowthEstimates other)
    {
        (_problem, _within, _parent, _previous) = (other._problem, other._within, other._parent, other._previous);
        (_growth, _lookedAt) = ([.. other._growth], [.. other._lookedAt]);
    }

    public int LastRound => _lookedAt.Length == 0 ? 0 : _lookedAt.Max();

    public GrowthEstimates Copy() => new(this);

    public void Forget(int candidate) => _growth[candidate] = double.NaN;

    /// <summary>Round of the last look; 0 where there was none.</summary>
    public int LookedAt(int candidate) => _lookedAt[candidate];

    public double this[int candidate] => !double.IsNaN(_growth[candidate]) ? _growth[candidate] : Guess(candidate);

    public void Set(int candidate, double growth, int round) => (_growth[candidate], _lookedAt[candidate]) = (growth, round);

    /// <summary>Those of which nothing is known, not even by others; lazily, so that looking at one may make the next ones known. Whole sublayers first.</summary>
    public IEnumerable<int> WithoutAny(IReadOnlyCollection<int> candidates) => candidates
        .OrderBy(candidate => _problem.Candidates[candidate].Grain == PruneGrain.Sublayer ? 0 : 1)
        .Where(candidate => double.IsNaN(this[candidate]));

    /// <summary>A candidate went: what holds its units hurts that much less from now on.</summary>
    public void Taken(int candidate, double growth)
    {
        var units = _problem.Candidates[candidate].Units;
        _growth[candidate] = 0;
        for (var other = 0; other < _growth.Length; other++)
        {
            if (other == candidate || double.IsNaN(_growth[other]) || !units.All(_problem.Candidates[other].Units.Contains)) continue;
            _growth[other] = Math.Max(_growth[other] - growth, 0);
        }
    }

    private double Guess(int candidate)
    {
        if (_within[candidate].Length > 0) return _within[candidate].Sum(part => _growth[part]);
        if (_previous[candidate] is >= 0 and var previous && !double.IsNaN(_growth[previous]))
        {
            return _growth[previous] * Weight(candidate) / Math.Max(Weight(previous), double.Epsilon);
        }

        return _parent[candidate] is >= 0 and var parent ? _growth[parent] * Weight(candidate) / Math.Max(Weight(parent), double.Epsilon) : double.NaN;
    }

    private double Weight(int candidate) => _problem.Candidates[candidate].Units.Sum(unit => _problem.Weights.IsDefaultOrEmpty ? 1 : _problem.Weights[unit]);
}
