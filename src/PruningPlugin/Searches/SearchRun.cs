using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// The state of one greedy-like search: what is gone so far, its distance, the steps made. Searches differ in how they choose; what a look at a
/// candidate costs and means is here. One owner, used once.
/// </summary>
internal sealed class SearchRun
{
    private readonly IMaskScorer _scorer;
    private readonly ISearchObserver _observer;
    private readonly CancellationToken _cancellation;
    private readonly bool _isBranch;
    private readonly Dictionary<double, double> _baseAt = [];
    private readonly List<SearchStep> _steps = [];
    private readonly PaceRecord _pace;
    private int _beforeStep;

    public SearchRun(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(observer);
        (Problem, _scorer, _observer, _cancellation, _pace) = (problem, scorer, observer, cancellationToken, new PaceRecord(problem));
        Mask = CutMask.None(scorer.Units);
    }

    private SearchRun(SearchRun trunk, CutMask mask, double distance)
    {
        (Problem, _scorer, _observer, _cancellation, _pace) = (trunk.Problem, trunk._scorer, trunk._observer, trunk._cancellation, trunk._pace);
        (_isBranch, Mask, Distance) = (true, mask, distance);
    }

    public SearchProblem Problem { get; }

    public CutMask Mask { get; private set; }

    /// <summary>Of <see cref="Mask"/>, on all tokens. The full model's is 0.</summary>
    public double Distance { get; private set; }

    public IReadOnlyList<SearchStep> Steps => _steps;

    /// <summary>Masks scored so far, branches included.</summary>
    public int Evaluations => _pace.Evaluations;

    public bool IsDone => Problem.IsDone(Mask, Distance);

    /// <summary>A run from another mask, whose steps nobody is told of; what it scored is told.</summary>
    public SearchRun Branch(CutMask mask, double distance) => new(this, mask, distance);

    /// <summary>The search will score at most as many masks as this, all told.</summary>
    /// <param name="steps">And make so many steps, where that is known.</param>
    public void Expect(int evaluations, int? steps = null) => _pace.Expect(evaluations, steps);

    /// <summary>The search has ended, maybe before it was expected to.</summary>
    public void End()
    {
        _pace.Expect(Evaluations, _steps.Count);
        _observer.Evaluated(_pace.Now());
    }

    /// <summary>Announces the mask that the next looks extend.</summary>
    public void Rebase() => _scorer.Rebase(Mask, _cancellation);

    /// <summary>Masks that will be looked at one after the other: where several machines score they are asked for together, and the journal has them when their turn comes.</summary>
    public void Prepare(IEnumerable<CutMask> masks, double share)
    {
        if (_scorer is JournaledScorer { Width: > 1 }) _scorer.Score([.. masks.Distinct()], share, _cancellation);
    }

    /// <summary>Distance of any mask.</summary>
    public double Score(CutMask mask, double share)
    {
        var score = _scorer.Score([mask], share, _cancellation)[0];
        _observer.Evaluated(_pace.Scored());
        return score;
    }

    /// <summary>What the candidate would add to the distance, both measured on the same share of the tokens; infinite where the output is no number.</summary>
    public double Growth(Candidate candidate, double share)
    {
        var score = Score(candidate.Apply(Mask), share);
        return double.IsFinite(score) ? score - BaseAt(share) : double.PositiveInfinity;
    }

    /// <summary>Distance of <see cref="Mask"/> on a share of the tokens; 0 where its output is no number.</summary>
    public double BaseAt(double share)
    {
        if (Mask.IsEmpty) return 0;
        if (share >= 1) return double.IsFinite(Distance) ? Distance : 0;
        if (_baseAt.TryGetValue(share, out var known)) return known;
        var score = Score(Mask, share);
        return _baseAt[share] = double.IsFinite(score) ? score : 0;
    }

    /// <summary>Growth of the distance for each byte saved, with no more bytes credited than the budget still asks for. Less is better.</summary>
    public double Price(Candidate candidate, double growth)
    {
        var saved = Problem.Saved(Mask, candidate.Apply(Mask));

        // A removal that brings the model nearer is the better the more it saves.
        return growth > 0 ? growth / saved : growth * saved;
    }

    /// <summary>Removes a candidate.</summary>
    /// <param name="growth">On all tokens.</param>
    public void Take(Candidate candidate, double growth) => Move(candidate, candidate.Apply(Mask), BaseAt(1) + growth);

    /// <summary>Goes to another mask, whatever it keeps of this one.</summary>
    /// <param name="move">What it is called.</param>
    public void Move(Candidate move, CutMask mask, double distance)
    {
        (Mask, Distance) = (mask, distance);
        _baseAt.Clear();
        _steps.Add(new SearchStep(_steps.Count + 1, mask, move, distance, Problem.Costs.Bytes(mask), Evaluations - _beforeStep));
        _beforeStep = Evaluations;
        if (!_isBranch) _observer.Stepped(_steps[^1], _pace.Stepped(mask));
    }
}
