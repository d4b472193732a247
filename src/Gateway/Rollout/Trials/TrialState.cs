using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Rollout.Trials;

/// <summary>
/// One trial under way: gathers evidence under its lock and tells each verdict that asks for an act, once. Requests of all threads write it; it
/// never blocks on anything but its lock.
/// </summary>
public sealed class TrialState : IDisposable
{
    /// <summary>Answers of the active version whose median sets the limit of slow.</summary>
    private const int ReferenceAnswers = 20;

    private readonly RolloutConfig _config;
    private readonly Action<TrialVerdict> _act;
    private readonly Lock _gate = new();
    private readonly List<TimeSpan> _reference = [];
    private readonly ITimer _deadline;
    private TrialEvidence _evidence = TrialEvidence.None;
    private TrialVerdict _verdict = TrialVerdict.Continue;
    private bool _ended;
    private long _offered;

    /// <param name="versionId">On trial.</param>
    /// <param name="stage">Shadowing, canary or held.</param>
    /// <param name="config">How it is judged.</param>
    /// <param name="act">Told of a verdict on a thread of the pool.</param>
    /// <param name="undecided">Called when the longest time is over.</param>
    /// <param name="time">Of the longest time.</param>
    public TrialState(string versionId, VersionState stage, RolloutConfig config, Action<TrialVerdict> act, Action undecided, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(time);
        (VersionId, Stage, _config, _act) = (versionId, stage, config, act);
        _deadline = time.CreateTimer(_ => undecided(), null, config.Longest, Timeout.InfiniteTimeSpan);
    }

    public string VersionId { get; }

    public VersionState Stage { get; }

    public RolloutConfig Config => _config;

    public TrialEvidence Evidence
    {
        get
        {
            lock (_gate) return _evidence;
        }
    }

    /// <summary>One attempt at an answer, by the version on trial or by the active one.</summary>
    public void Saw(in ExchangeEnd end)
    {
        // A client that left, or a version's time that was over, says nothing about the version.
        if (end.Failure is FailureKind.Retired or FailureKind.Stopped || (end.ClientGone && end.Failure is null)) return;
        var canary = end.Upstream.VersionId == VersionId;
        var failed = end.Failure is not null || end.Status >= 500;
        lock (_gate)
        {
            if (!canary && _evidence.SlowLimit is null && end.FirstByte is { } first)
            {
                _reference.Add(first);
                if (_reference.Count == ReferenceAnswers)
                {
                    _reference.Sort();
                    _evidence = _evidence with { SlowLimit = _reference[ReferenceAnswers / 2] * _config.MaxLatencyRatio };
                }
            }
            else if (_evidence.SlowLimit is { } limit && end.FirstByte is { } took)
            {
                Change(canary, arm => arm with { Slow = arm.Slow.Add(took > limit ? 1 : 0) });
            }

            Change(canary, arm => arm with { Failures = arm.Failures.Add(failed ? 1 : 0) });
            Judge();
        }
    }

    /// <summary>Whether the next request is copied: exactly the share that is asked for, evenly spread.</summary>
    public bool TakesShadow()
    {
        if (_config.ShadowShare <= 0) return false;
        var number = Interlocked.Increment(ref _offered);
        return Math.Floor(number * _config.ShadowShare) > Math.Floor((number - 1) * _config.ShadowShare);
    }

    /// <param name="agreement">0 to 1; 0 where the version on trial did not answer.</param>
    public void Compared(double agreement)
    {
        lock (_gate)
        {
            _evidence = _evidence with { Agreement = _evidence.Agreement.Add(agreement) };
            Judge();
        }
    }

    public void Dispose()
    {
        lock (_gate) _ended = true;
        _deadline.Dispose();
    }

    private void Change(bool canary, Func<TrialArm, TrialArm> change) =>
        _evidence = canary ? _evidence with { Canary = change(_evidence.Canary) } : _evidence with { Active = change(_evidence.Active) };

    private void Judge()
    {
        if (_ended || _verdict.Step != TrialStep.Continue) return;
        _verdict = TrialTest.Judge(_config, Stage, _evidence);
        if (_verdict.Step == TrialStep.Continue) return;
        var verdict = _verdict;
        _ = Task.Run(() => _act(verdict));
    }
}
