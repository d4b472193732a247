using System.Collections.Immutable;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Jobs;
using FinerCut.Pruning.Scoring;
using FinerCut.Pruning.Searches;

namespace FinerCut.Pruning.Dealing;

/// <summary>What a job's search is scored by: this machine alone, or together with the scorers that the request names. Used once.</summary>
internal sealed class SearchScoring : IDisposable
{
    private readonly IDisposable _own;
    private readonly ImmutableArray<HostScorer> _hosts;

    private SearchScoring(IMaskScorer scorer, IDisposable own, bool isCompact, ImmutableArray<HostScorer> hosts, int passedTokens) =>
        (Scorer, _own, IsReferenceCompact, _hosts, PassedTokens) = (scorer, own, isCompact, hosts, passedTokens);

    public IMaskScorer Scorer { get; }

    /// <summary>Whether only the most likely tokens of each position are kept.</summary>
    public bool IsReferenceCompact { get; }

    /// <summary>Tokens that passed through the full model on this machine while it was opened.</summary>
    public int PassedTokens { get; }

    /// <summary>Who took part, for the result's reader.</summary>
    public IEnumerable<string> Notes => _hosts.Select(host => host.LeftOut ?? $"{host.Url} scored {host.Scored} times a batch.");

    public static SearchScoring Open(
        JobContext context, FullModel full, UnitMap units, CalibrationSet calibration, ScoringOptions options, Action<int, int> progress, CancellationToken cancellationToken)
    {
        var request = context.Request;
        if (request.Scorers.IsDefaultOrEmpty)
        {
            var alone = GraphMaskScorer.Create(full.Model, units, calibration, request.Measure, options, progress, cancellationToken);
            return new SearchScoring(alone, alone, alone.IsReferenceCompact, [], calibration.TokenCount);
        }

        var own = new ModelBatchScorer(full.Model, units, calibration, request.Measure, options);
        try
        {
            var opened = new ScoreOpened(own.Rows, ScoringHost.ProbeOf(own, cancellationToken));
            progress(1, 1);
            var opening = ScoreOpening.Of(full.Sha256, units, calibration, request.Measure, options);
            ImmutableArray<HostScorer> hosts = [.. request.Scorers.Select(address => new HostScorer(address, opening, opened, context.Time))];
            return new SearchScoring(new DealtScorer(units, own.Rows, [own, .. hosts], context.Time), own, own.IsReferenceCompact, hosts, 2 * options.BatchTokens(full.Model.Info));
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var host in _hosts) host.Dispose();
        _own.Dispose();
    }
}
