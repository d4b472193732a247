using FinerCut.Masks;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Checkpoints;

/// <summary>
/// Answers from the journal what was scored before, asks the model for the rest and keeps it. While it replays, the job's clock stands
/// where it stood then, so that steps keep their times. One owner, not thread-safe.
/// </summary>
public sealed class JournaledScorer : IMaskScorer
{
    private static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(10);

    private readonly IMaskScorer _inner;
    private readonly EvaluationJournal _journal;
    private readonly TimeProvider _time;
    private readonly long _began;
    private readonly double _before;
    private CutMask? _announced;
    private long _saved;

    public JournaledScorer(IMaskScorer inner, EvaluationJournal journal, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(journal);
        ArgumentNullException.ThrowIfNull(time);
        _inner = inner;
        _journal = journal;
        _time = time;
        _began = _saved = time.GetTimestamp();
        _before = journal.Seconds;
    }

    public UnitMap Units => _inner.Units;

    public int Width => _inner.Width;

    /// <summary>Seconds of search at the last evaluation answered, all processes of the job together.</summary>
    public double Seconds { get; private set; }

    public void Rebase(CutMask mask, CancellationToken cancellationToken) => _announced = mask;

    public IReadOnlyList<double> Score(IReadOnlyList<CutMask> masks, double share, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(masks);
        var scores = new double[masks.Count];
        var unknown = new List<int>();
        for (var index = 0; index < masks.Count; index++)
        {
            if (_journal.Find(masks[index], share) is not { } known)
            {
                unknown.Add(index);
                continue;
            }

            scores[index] = known.Distance;
            Seconds = known.Seconds;
        }

        foreach (var asked in unknown.Chunk(Width))
        {
            // The mask announced is of use only to live evaluations: a replay does not pay for it.
            if (_announced is { } announced) _inner.Rebase(announced, cancellationToken);
            _announced = null;
            var found = _inner.Score([.. asked.Select(index => masks[index])], share, cancellationToken);
            Seconds = _before + _time.GetElapsedTime(_began).TotalSeconds;
            foreach (var (index, score) in asked.Zip(found))
            {
                scores[index] = score;
                _journal.Add(masks[index], share, score, Seconds);
            }

            if (_time.GetElapsedTime(_saved) < SaveEvery) continue;
            _journal.Save();
            _saved = _time.GetTimestamp();
        }

        return scores;
    }
}
