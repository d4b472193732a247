using FinerCut.Cluster.Models;
using FinerCut.Gateway.Pruning;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace FinerCut.Cluster.Jobs;

/// <summary>The part that sees to it that the job has a host.</summary>
public sealed partial class JobGrain
{
    /// <summary>A job that this many hosts were lost with may be what they die of.</summary>
    private const int MostLost = 10;

    private readonly Dictionary<string, long> _refusedAt = new(StringComparer.Ordinal);
    private bool _looking;

    private async Task LookAsync()
    {
        if (_looking || _job is not { HasEnded: false }) return;
        _looking = true;
        try
        {
            if (Record.Host is not null && !IsLost()) return;
            if (Record.Host is not null && !await InTurnAsync(LoseAsync)) return;
            if (await Book.MayBeginAsync(Id)) await PlaceAsync();
        }
        catch (Exception exception)
        {
            // The next look is soon.
            LogPuzzled(logger, Id, exception.GetType().Name);
        }
        finally
        {
            _looking = false;
        }
    }

    private bool IsLost() => (Record.Silo is { } silo && members.IsDead(SiloAddress.FromParsableString(silo))) || time.GetElapsedTime(_heardAt) > times.Silence;

    /// <summary>False where the job ends with it.</summary>
    private async Task<bool> LoseAsync()
    {
        if (Record.Host is not { } host || !IsLost()) return Record.Host is null;
        LogLost(logger, Id, host);
        (Record.Host, Record.Silo, Record.Lost) = (null, null, Record.Lost + 1);
        if (Record.CancelAsked) await EndAsync(JobProblems.Cancelled(_job!, time.GetUtcNow()));
        else if (Record.Lost >= MostLost) await EndAsync(Failed("host_lost", $"{Record.Lost} machines were lost while they worked on it."));
        else await WriteAsync();
        return !_job!.HasEnded;
    }

    private async Task PlaceAsync()
    {
        var book = await GrainFactory.GetGrain<IModelGrain>(_job!.Model).ReadAsync();
        HostReport[] hosts = [.. book.Hosts.OrderByDescending(host => host.Host == Record.Home).ThenByDescending(host => host.LimitBytes - host.HeldBytes).ThenBy(host => host.Host, StringComparer.Ordinal)];
        Refusal? last = null;
        var final = hosts.Length > 0;
        foreach (var host in hosts)
        {
            if (_refusedAt.TryGetValue(host.Host, out var at) && time.GetElapsedTime(at) < times.Cooling)
            {
                final = false;
                continue;
            }

            if (await OfferAsync(host) is not { } refusal) return;
            _refusedAt[host.Host] = time.GetTimestamp();
            last = refusal;
            // What has to do with the moment passes; what has to do with the job does not.
            final &= refusal.Code is not ("host_busy" or "host_unknown" or "host_silent");
        }

        if (final && last is not null) await InTurnAsync(async () =>
        {
            if (Record.Host is null && !_job.HasEnded) await EndAsync(Failed(last.Code, last.Message));
            return true;
        });
    }

    /// <summary>Null where the host works on it now.</summary>
    private Task<Refusal?> OfferAsync(HostReport host) => InTurnAsync(async () =>
    {
        if (_job!.HasEnded || Record.Host is not null) return null;
        (Record.Host, Record.Silo, Record.Attempt) = (host.Host, host.Silo.ToParsableString(), Record.Attempt + 1);
        await WriteAsync();
        _heardAt = time.GetTimestamp();
        Refusal? refusal;
        try
        {
            refusal = await Host(host.Host).BeginJobAsync(new JobOrder { Job = Id, Attempt = Record.Attempt, Json = Record.Json, Files = [.. Record.Files] });
        }
        catch (Exception exception)
        {
            // It may have begun all the same: its word is of an attempt that does not count.
            refusal = new Refusal { Status = 503, Code = "host_silent", Message = $"The host {host.Host} did not answer ({exception.GetType().Name})." };
        }

        if (refusal is null) LogPlaced(logger, Id, host.Host, Record.Attempt);
        else (Record.Host, Record.Silo) = (null, null);
        return refusal;
    });

    [LoggerMessage(Level = LogLevel.Information, Message = "{Job} is worked on by {Host} (attempt {Attempt}).")]
    private static partial void LogPlaced(ILogger logger, string job, string host, int attempt);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Job} was lost with {Host}; another host goes on from what is kept of it.")]
    private static partial void LogLost(ILogger logger, string job, string host);
}
