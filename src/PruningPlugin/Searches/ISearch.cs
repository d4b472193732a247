using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>
/// Finds what to remove. Deterministic: the same scores lead to the same steps, so a search resumes by running again over the scores that
/// a checkpoint kept (<see cref="EvaluationJournal"/>).
/// </summary>
public interface ISearch
{
    /// <returns>The steps made, in order; they end when the budget is reached or nothing may go any more.</returns>
    IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken);
}

/// <summary>One removal.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Mask">All that is gone after it.</param>
/// <param name="Distance">Of that mask.</param>
/// <param name="BytesRemoved">By that mask, all steps together.</param>
/// <param name="Evaluations">Masks scored for this step.</param>
public sealed record SearchStep(int Number, CutMask Mask, Candidate Removed, double Distance, long BytesRemoved, int Evaluations);

/// <summary>Where a search stands. Expectations are estimates that get better as it goes.</summary>
public sealed record SearchPace(int Steps, int ExpectedSteps, int Evaluations, int ExpectedEvaluations);

/// <summary>Told as a search goes, on its thread.</summary>
public interface ISearchObserver
{
    /// <summary>A mask was scored.</summary>
    void Evaluated(SearchPace pace);

    void Stepped(SearchStep step, SearchPace pace);
}
