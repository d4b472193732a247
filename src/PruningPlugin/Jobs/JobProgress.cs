using FinerCut.Jobs;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Jobs;

/// <summary>Turns what a job does into progress lines with an estimate of what is left. One thread.</summary>
internal sealed class JobProgress(IProgress<PruneProgress> sink, TimeProvider time, double tailEvaluations) : ISearchObserver
{
    private readonly long _began = time.GetTimestamp();
    private double _before;
    private double _searchBegan;
    private double _each;
    private int _replayed;
    private SearchPace _pace = new(0, 0, 0, 0);
    private SearchStep? _last;
    private (int Step, double Seconds)? _healing;

    /// <summary>Called with each step, before its progress line.</summary>
    public Action<SearchStep>? OnStep { get; set; }

    /// <summary>Of each sublayer, once they are known.</summary>
    public IReadOnlyList<int>? Units { get; set; }

    /// <summary>Since the job began, earlier processes included.</summary>
    public double ElapsedSeconds => _before + time.GetElapsedTime(_began).TotalSeconds;

    /// <summary>The search is about to begin; scores of earlier processes come for nothing.</summary>
    /// <param name="replayed">Scores that the checkpoint holds.</param>
    /// <param name="seconds">That they took.</param>
    public void SearchBegins(int replayed, double seconds)
    {
        _before += seconds;
        _replayed = replayed;
        _searchBegan = time.GetElapsedTime(_began).TotalSeconds;
    }

    public void Phase(PrunePhase phase, int step, int steps, double? eta = null) =>
        sink.Report(new PruneProgress(phase, step, steps, null, _last?.Distance, _last?.BytesRemoved ?? 0, _pace.Evaluations, ElapsedSeconds, eta) { Units = Units });

    public void HealingBegins()
    {
        _healing = null;
        Phase(PrunePhase.Healing, 0, 1);
    }

    /// <summary>Healing's steps, with what is left at the pace that they had so far.</summary>
    public void Healed(int step, int steps)
    {
        var now = time.GetElapsedTime(_began).TotalSeconds;
        _healing ??= (step, now);
        var (first, began) = _healing.Value;
        Phase(PrunePhase.Healing, step, steps, step > first ? ((now - began) / (step - first) * (steps - step)) + Tail() : null);
    }

    public void Evaluated(SearchPace pace)
    {
        _pace = pace;
        if (pace.Evaluations > _replayed) Report(null);
    }

    public void Stepped(SearchStep step, SearchPace pace)
    {
        _pace = pace;
        _last = step;
        OnStep?.Invoke(step);
        Report(step.Removed.Name);
    }

    private void Report(string? removed) =>
        sink.Report(new PruneProgress(
            PrunePhase.Search, _pace.Steps, _pace.ExpectedSteps, removed, _last?.Distance, _last?.BytesRemoved ?? 0, _pace.Evaluations, ElapsedSeconds, Eta()) { Units = Units });

    private double? Eta()
    {
        var live = _pace.Evaluations - _replayed;
        if (live <= 0) return null;
        _each = (time.GetElapsedTime(_began).TotalSeconds - _searchBegan) / live;
        return ((_pace.ExpectedEvaluations - _pace.Evaluations) * _each) + Tail();
    }

    /// <summary>Seconds of what follows search and healing.</summary>
    private double Tail() => tailEvaluations * _each;
}
