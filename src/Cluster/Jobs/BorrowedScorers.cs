using System.Collections.Concurrent;
using System.Collections.Immutable;
using FinerCut.Cluster.Files;
using FinerCut.Cluster.Hosting;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;
using Microsoft.Extensions.Logging;

namespace FinerCut.Cluster.Jobs;

/// <summary>Asks other hosts for scorers for this host's job: those with the most free memory first, as many as the settings allow. Thread-safe.</summary>
internal sealed partial class BorrowedScorers(IGrainFactory grains, Members members, ClusterConfig config, ClusterTools tools, HostFiles files, ILogger logger) : IScorerSource
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<string, string[]> _lent = new(StringComparer.Ordinal);

    public async Task<ImmutableArray<ScorerAddress>> BorrowAsync(JobModel job, CancellationToken cancellationToken)
    {
        if (config.Scorers == 0 || tools.Live.Find(job.Model) is not { } model) return [];
        try
        {
            var book = await grains.GetGrain<IModelGrain>(job.Model).ReadAsync().WaitAsync(Patience, tools.Time, cancellationToken);
            string[] hosts = [.. book.Hosts.Where(host => host.Host != members.Name).OrderByDescending(host => host.LimitBytes - host.HeldBytes).Select(host => host.Host).Take(config.Scorers)];
            if (hosts.Length == 0) return [];
            var plain = new PruneRequest { JobId = job.Id, ModelPath = "", OutputPath = "", WorkFolder = "", CalibrationPath = "", HeldOutPath = "", Budget = job.Order.Budget, Search = job.Order.Search };
            var order = new ScorerOrder
            {
                Job = job.Id, ModelId = job.Model, Sha256 = await files.HashAsync(model.Path, cancellationToken), Bytes = new FileInfo(model.Path).Length, From = members.Name,
                Tokens = job.Order.MaxCalibrationTokens ?? plain.MaxCalibrationTokens, LongestSequence = job.Order.MaxSequenceTokens ?? plain.MaxSequenceTokens, MemoryBytes = job.Order.MemoryBytes, GpuLayers = job.Order.GpuLayers ?? 0,
            };
            _lent[job.Id] = hosts;
            var outcomes = await Task.WhenAll(hosts.Select(host => AskAsync(host, order, cancellationToken)));
            return [.. outcomes.OfType<ScorerAddress>()];
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // A search needs nobody else.
            LogAlone(logger, job.Id, exception.GetType().Name);
            return [];
        }
    }

    public async Task GiveBackAsync(JobModel job)
    {
        if (!_lent.TryRemove(job.Id, out var hosts)) return;
        foreach (var host in hosts)
        {
            try
            {
                await grains.GetGrain<IHostGrain>(host).EndScoreAsync(job.Id).WaitAsync(TimeSpan.FromSeconds(10), tools.Time);
            }
            catch (Exception exception)
            {
                // It ends by itself.
                LogAlone(logger, job.Id, exception.GetType().Name);
            }
        }
    }

    private async Task<ScorerAddress?> AskAsync(string host, ScorerOrder order, CancellationToken cancellationToken)
    {
        try
        {
            var outcome = await grains.GetGrain<IHostGrain>(host).ScoreAsync(order).WaitAsync(Patience, tools.Time, cancellationToken);
            if (outcome is { Url: { } url, Key: { } key }) return new ScorerAddress(url, key);
            LogRefused(logger, order.Job, host, outcome.Problem?.Message ?? "");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogRefused(logger, order.Job, host, exception.GetType().Name);
        }

        return null;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Job}: other hosts could not be asked ({Kind}).")]
    private static partial void LogAlone(ILogger logger, string job, string kind);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Job} is not scored on {Host}: {Reason}")]
    private static partial void LogRefused(ILogger logger, string job, string host, string reason);
}
