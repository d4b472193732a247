using FinerCut.Jobs;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Jobs;

/// <summary>Turns what a job does into progress lines with an estimate of what is left. One thread.</summary>
internal sealed class JobProgress(IProgress<PruneProgress> sink, TimeProvider time) : ISearchObserver
{
    /// <summary>Of healing, that its texts are together; one a sublayer follows.</summary>
    public const int TextSteps = 100;

    /// <summary>Steps of healing that what was forecast weighs as much as: the first one sets much up.</summary>
    private const int FirstSteps = 5;

    private readonly long _began = time.GetTimestamp();
    private double _before;
    private double _searchBegan;
    private double _secondsAToken;
    private JobForecast? _forecast;
    private int _tries;
    private int _replayed;
    private SearchPace _pace = new(0, 0, 0, 0);
    private SearchStep? _last;
    private (int Step, double Seconds)? _healing;

    /// <summary>What follows the search, asked for when that begins; without it only the search's own end is reckoned.</summary>
    public Func<JobForecast>? Forecast { get; set; }

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
        _forecast = Forecast?.Invoke();
        _before += seconds;
        _replayed = replayed;
        _searchBegan = time.GetElapsedTime(_began).TotalSeconds;
    }

    /// <summary>So many tokens passed through the full model: what is forecast goes at this pace.</summary>
    public void Passed(int tokens, double seconds) => _secondsAToken = seconds / Math.Max(1, tokens);

    public void Phase(PrunePhase phase, int step, int steps, double? eta = null)
    {
        if (phase is PrunePhase.Writing or PrunePhase.Verifying or PrunePhase.Gate or PrunePhase.Measuring) eta ??= After(phase, step / Math.Max(1.0, steps));
        sink.Report(new PruneProgress(phase, step, steps, null, _last?.Distance, _last?.BytesRemoved ?? 0, _pace.Evaluations, ElapsedSeconds, eta) { Units = Units });
    }

    /// <summary>A try begins; its texts are kept from the first one.</summary>
    public void HealingBegins()
    {
        _healing = null;
        Phase(PrunePhase.Healing, 0, 1, After(_tries++ == 0 ? PrunePhase.Texts : PrunePhase.Healing, 0));
    }

    /// <summary>Healing's steps: the part that has begun is reckoned more and more at its own pace, the rest as forecast.</summary>
    public void Healed(int step, int steps)
    {
        var now = time.GetElapsedTime(_began).TotalSeconds;
        var (phase, from, to) = step < TextSteps ? (PrunePhase.Texts, 0, TextSteps) : (PrunePhase.Healing, TextSteps, steps);
        if (_healing is not { } begun || begun.Step < from) _healing = begun = (step, now);
        var (believed, expected) = (FirstSteps, (After(phase, 0) - After(phase, 1)) / Math.Max(1, to - from));
        if (expected is null) (believed, expected) = (0, 0);
        var each = (now - begun.Seconds + (believed * expected)) / Math.Max(1, step - begun.Step + believed);
        Phase(PrunePhase.Healing, step, steps, ((to - step) * each) + (After(phase, 1) ?? 0));
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
        var each = (time.GetElapsedTime(_began).TotalSeconds - _searchBegan) / live;
        return ((_pace.ExpectedEvaluations - _pace.Evaluations) * each) + (After(PrunePhase.Search, 0) ?? 0);
    }

    /// <summary>Seconds of what is left of the job from a share of a phase on; null where it was not forecast.</summary>
    private double? After(PrunePhase phase, double share) => _secondsAToken * _forecast?.Left(phase, share, _forecast.Tries - Math.Max(_tries, 1));
}
