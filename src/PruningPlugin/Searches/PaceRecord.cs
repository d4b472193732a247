using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>How far a search is and how far it has to go: by the evaluations that its steps took so far. One owner.</summary>
internal sealed class PaceRecord(SearchProblem problem)
{
    /// <summary>Evaluations a step before the search knows better.</summary>
    private const int FirstGuess = 10;

    private int _steps;
    private int _expectedSteps;
    private int _beforeSteps;
    private int _beforeStep;
    private int? _expected;
    private int? _knownSteps;

    public int Evaluations { get; private set; }

    /// <summary>So many at the end, whatever the steps say.</summary>
    /// <param name="steps">As many, where they are known as well.</param>
    public void Expect(int evaluations, int? steps = null) => (_expected, _knownSteps) = (evaluations, steps ?? _knownSteps);

    public SearchPace Scored()
    {
        Evaluations++;
        return Now();
    }

    public SearchPace Stepped(CutMask mask)
    {
        _steps++;
        _expectedSteps = SearchEstimate.Steps(problem, mask, _steps);
        if (_steps == 1) _beforeSteps = Evaluations;
        _beforeStep = Evaluations;
        return Now();
    }

    public SearchPace Now()
    {
        if (_expected is { } expected) return new SearchPace(_steps, Math.Max(_steps, _knownSteps ?? _expectedSteps), Evaluations, Math.Max(Evaluations, expected));
        var steps = _steps == 0 ? FirstSteps() : _expectedSteps;
        var each = _steps > 1 ? (_beforeStep - _beforeSteps) / (double)(_steps - 1) : FirstGuess;
        var first = _steps == 0 ? problem.Candidates.Count : 0;
        var left = steps <= _steps ? 0 : Math.Max(((steps - _steps) * each) + first - (Evaluations - _beforeStep), 1);
        return new SearchPace(_steps, steps, Evaluations, Evaluations + (int)Math.Ceiling(left));
    }

    private int FirstSteps()
    {
        if (_expectedSteps == 0) _expectedSteps = problem.Candidates.Count == 0 ? 0 : SearchEstimate.Steps(problem, CutMask.None(problem.Costs.Units), 0);
        return _expectedSteps;
    }
}
