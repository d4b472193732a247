using System.Diagnostics;
using FinerCut.Pruning.Searches;

namespace FinerCut.PruneBench;

/// <summary>Tells of a search on the error stream.</summary>
internal sealed class SearchWatcher(string name, Action<SearchStep> stepped) : ISearchObserver
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public void Evaluated(SearchPace pace) => Console.Error.Write(
        $"\r{name}: step {pace.Steps} of {pace.ExpectedSteps}, {pace.Evaluations} of {pace.ExpectedEvaluations} evaluations, {_clock.Elapsed.TotalSeconds:F0} s   ");

    public void Stepped(SearchStep step, SearchPace pace) => stepped(step);
}
