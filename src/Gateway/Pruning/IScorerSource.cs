using System.Collections.Immutable;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Pruning;

/// <summary>Scorers on other machines for the searches of this one's jobs.</summary>
public interface IScorerSource
{
    /// <summary>Those that are there now; none is no failure.</summary>
    Task<ImmutableArray<ScorerAddress>> BorrowAsync(JobModel job, CancellationToken cancellationToken);

    Task GiveBackAsync(JobModel job);
}
