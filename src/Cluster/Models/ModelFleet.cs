using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Routes;
using FinerCut.Gateway.Workers;
using Orleans.Runtime;

namespace FinerCut.Cluster.Models;

/// <summary>
/// The hosts and edges that a model's owner has heard of. They say everything again every second, so none of it is kept. Not thread-safe:
/// belongs to one grain.
/// </summary>
internal sealed class ModelFleet(IGrainFactory grains, Func<SiloAddress, bool> isDead, TimeProvider time)
{
    /// <summary>Who was not heard of for so long is gone, whatever the membership says: its process hangs.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan ReportDelay = TimeSpan.FromSeconds(3);

    /// <summary>An edge that takes a table no faster is left behind; it asks for the table itself every second.</summary>
    private static readonly TimeSpan AckPatience = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, KnownHost> _hosts = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Host, string Version), (WorkerNews News, long At)> _started = [];
    private readonly Dictionary<string, KnownEdge> _edges = new(StringComparer.Ordinal);

    public IReadOnlyCollection<string> Edges => _edges.Keys;

    public IEnumerable<HostReport> Hosts => _hosts.Values.Select(host => host.Report).OrderBy(report => report.Host, StringComparer.Ordinal);

    /// <summary>Of hosts that stay, the one with the most free memory first.</summary>
    public IEnumerable<HostReport> Places => _hosts.Values.Where(host => !host.Leaving).Select(host => host.Report)
        .OrderByDescending(report => report.LimitBytes - report.HeldBytes).ThenBy(report => report.Host, StringComparer.Ordinal);

    public IHostGrain Host(string name) => grains.GetGrain<IHostGrain>(name);

    public void Hear(HostReport report)
    {
        // A report that was on its way when a worker came up does not know of it.
        var late = _started.Values.Where(started => started.News.Host == report.Host && time.GetElapsedTime(started.At) < ReportDelay).Select(started => started.News)
            .Where(news => news.Silo.Equals(report.Silo) && report.Workers.All(worker => worker.VersionId != news.VersionId)).ToArray();
        if (late.Length > 0) report = report with { Workers = [.. report.Workers, .. late] };
        // The silo of a former process may still be talked of when the new one is there.
        if (isDead(report.Silo)) return;
        var same = _hosts.TryGetValue(report.Host, out var known) && known.Report.Silo.Equals(report.Silo) ? known : null;
        _hosts[report.Host] = new KnownHost(report, time.GetTimestamp()) { Leaving = same?.Leaving ?? false, Left = same?.Left ?? false };
    }

    /// <summary>A worker that was just started, should its host's report be late.</summary>
    public void Hear(WorkerNews worker)
    {
        _started[(worker.Host, worker.VersionId)] = (worker, time.GetTimestamp());
        if (!_hosts.TryGetValue(worker.Host, out var host) || host.Report.Workers.Any(known => known.VersionId == worker.VersionId && known.Incarnation >= worker.Incarnation)) return;
        _hosts[worker.Host] = host with { Report = host.Report with { Workers = [.. host.Report.Workers.Where(known => known.VersionId != worker.VersionId), worker] } };
    }

    /// <summary>A worker is being ended.</summary>
    public void Forget(string host, string version) => _started.Remove((host, version));

    public void Watch(string edge, SiloAddress silo, IEdgePort port)
    {
        if (!isDead(silo)) _edges[edge] = new KnownEdge(silo, port, time.GetTimestamp());
    }

    /// <summary>The host gets no more workers.</summary>
    public void BeginLeave(string host)
    {
        if (_hosts.TryGetValue(host, out var known)) _hosts[host] = known with { Leaving = true };
    }

    /// <summary>The host's workers get no more requests.</summary>
    public void EndLeave(string host)
    {
        if (_hosts.TryGetValue(host, out var known)) _hosts[host] = known with { Left = true };
    }

    /// <summary>Forgets those that are gone.</summary>
    public void Sweep()
    {
        foreach (var (name, host) in _hosts.Where(host => isDead(host.Value.Report.Silo) || time.GetElapsedTime(host.Value.SeenAt) > Silence).ToArray()) _hosts.Remove(name);
        foreach (var (name, edge) in _edges.Where(edge => isDead(edge.Value.Silo) || time.GetElapsedTime(edge.Value.SeenAt) > Silence).ToArray()) _edges.Remove(name);
    }

    /// <summary>A version's workers that may get requests.</summary>
    public IEnumerable<WorkerNews> Workers(string version) =>
        _hosts.Values.Where(host => !host.Left).SelectMany(host => host.Report.Workers).Where(worker => worker.VersionId == version);

    /// <summary>Those of them that are on hosts that stay.</summary>
    public IEnumerable<WorkerNews> Staying(string version) =>
        _hosts.Values.Where(host => !host.Leaving).SelectMany(host => host.Report.Workers).Where(worker => worker.VersionId == version);

    /// <summary>The version's file that most hosts have, and who has it; null where none has told of one. Hosts of an older version tell of none.</summary>
    public (FileNote File, string[] Hosts)? FileOf(string version)
    {
        var alike = _hosts.Values.SelectMany(host => (host.Report.Files ?? []).Where(file => file.VersionId == version).Select(file => (File: file, host.Report.Host)))
            .GroupBy(known => known.File.Sha256).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal).FirstOrDefault();
        return alike is null ? null : (alike.First().File, [.. alike.Select(known => known.Host).Order(StringComparer.Ordinal)]);
    }

    public IEnumerable<WorkerNews> AllWorkers() => _hosts.Values.SelectMany(host => host.Report.Workers);

    /// <summary>Whether it serves, or will.</summary>
    public static bool IsHopeful(WorkerNews worker) => worker.State is nameof(WorkerState.Starting) or nameof(WorkerState.Loading) or nameof(WorkerState.Ready) or nameof(WorkerState.BackingOff);

    /// <summary>Completes when the table holds on every edge that answers.</summary>
    public Task PublishAsync(RouteTable table) => Task.WhenAll(_edges.Values.Select(edge => AskAsync(edge, () => edge.Port.ApplyAsync(table))));

    public Task EndAsync(string model, string version) => Task.WhenAll(_edges.Values.Select(edge => AskAsync(edge, () => edge.Port.EndAsync(model, version))));

    /// <summary>Requests under way at all edges; an edge that lives and does not answer counts as one.</summary>
    public async Task<int> InFlightAsync(string model, string version, string? host)
    {
        var counts = await Task.WhenAll(_edges.Values.Select(async edge =>
        {
            var count = 0;
            return await AskAsync(edge, async () => count = await edge.Port.InFlightAsync(model, version, host)) ? count : isDead(edge.Silo) ? 0 : 1;
        }));
        return counts.Sum();
    }

    private async Task<bool> AskAsync(KnownEdge edge, Func<Task> ask)
    {
        try
        {
            await ask().WaitAsync(AckPatience, time);
            return true;
        }
        catch (Exception)
        {
            // Whatever is the matter with one edge must not hold up the others.
            return false;
        }
    }

    private sealed record KnownHost(HostReport Report, long SeenAt)
    {
        public bool Leaving { get; init; }

        public bool Left { get; init; }
    }

    private sealed record KnownEdge(SiloAddress Silo, IEdgePort Port, long SeenAt);
}
