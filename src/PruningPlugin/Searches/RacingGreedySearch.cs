namespace FinerCut.Pruning.Searches;

/// <summary>How a race is run.</summary>
/// <param name="FirstShare">Share of the tokens for a candidate's first look, in (0, 1].</param>
/// <param name="Shortlist">Candidates that race at each step: the best by what is known of them.</param>
/// <param name="Refreshed">Candidates whose figure is the oldest, that race as well: an old overestimate cannot hide one for ever.</param>
/// <param name="RoundShare">Share of a budget in bytes that one race may decide on: its runners-up go together with the winner where that hurts no more than each alone. 0 = one candidate a race.</param>
public sealed record RaceOptions(double FirstShare = 0.125, int Shortlist = 6, int Refreshed = 1, double RoundShare = 1.0 / 24);

/// <summary>
/// Greedy on growth of the distance for each byte saved, decided by races: at each step the most promising candidates run on few tokens, the
/// better half of them on twice as many, and so on; the last two on all. Candidate and current mask are compared on the same tokens, so what
/// is common to both cancels. Nothing is removed before all tokens were asked.
/// </summary>
public sealed class RacingGreedySearch(RaceOptions? options = null) : ISearch
{
    public IReadOnlyList<SearchStep> Run(SearchProblem problem, IMaskScorer scorer, ISearchObserver observer, CancellationToken cancellationToken)
    {
        var run = new SearchRun(problem, scorer, observer, cancellationToken);
        new Race(run, options ?? new RaceOptions()).ToTheBudget();
        return run.Steps;
    }
}
