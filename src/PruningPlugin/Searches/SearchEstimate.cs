using FinerCut.Masks;

namespace FinerCut.Pruning.Searches;

/// <summary>How long greedy searches will take. Pure.</summary>
internal static class SearchEstimate
{
    /// <summary>Steps at the end: by count exactly, by bytes from what a step removed so far (at first: a candidate's mean).</summary>
    public static int Steps(SearchProblem problem, CutMask mask, int made)
    {
        if (problem.Budget is { Sublayers: { } sublayers, Bytes: null, Others.IsEmpty: true }) return Math.Max(made, Math.Min(sublayers, problem.Candidates.Count));
        if (problem.Budget.IsReached(mask, problem.Costs)) return made;
        if (!problem.Budget.Others.IsEmpty)
        {
            var share = problem.Budget.ShareReached(mask, problem.Costs);
            return Math.Min(problem.Candidates.Count, made == 0 || share <= 0 ? made + 1 + (problem.Candidates.Count / 4) : (int)Math.Ceiling(made / share));
        }

        var removed = problem.Costs.Bytes(mask);
        var each = made > 0 ? removed / (double)made : problem.Candidates.Average(candidate => problem.Costs.Bytes(candidate.Apply(CutMask.None(mask.Units))));
        var left = Math.Max((problem.Budget.Bytes ?? problem.Costs.Total) - removed, 1);
        return Math.Min(problem.Candidates.Count, made + (int)Math.Ceiling(left / Math.Max(each, 1)));
    }
}
