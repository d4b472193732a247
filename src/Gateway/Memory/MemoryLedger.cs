using System.Collections.Immutable;
using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Memory;

/// <param name="Limit">0: what the machine or its control group has, less the reserve.</param>
/// <param name="Reserve">Left to this process and the rest of the machine.</param>
public sealed record MemoryConfig(long Limit, long Reserve)
{
    public static MemoryConfig Default { get; } = new(0, 512L << 20);

    internal static MemoryConfig Read(Configuration.SectionReader section) => new(
        section.Long("LimitBytes", Default.Limit, 0, 1L << 50),
        section.Long("ReserveBytes", Default.Reserve, 0, 1L << 50));
}

/// <summary>One holder of memory.</summary>
/// <param name="Id">A worker's or a job's.</param>
public sealed record MemoryEntry(string Id, string ModelId, MemoryForecast Forecast);

/// <summary>Who holds how much of the memory that there is, as predicted. Nothing is started that has no entry. Thread-safe.</summary>
public sealed class MemoryLedger
{
    private readonly Lock _gate = new();
    private ImmutableSortedDictionary<string, MemoryEntry> _entries = ImmutableSortedDictionary.Create<string, MemoryEntry>(StringComparer.Ordinal);

    public MemoryLedger(MemoryConfig config) : this(config, MachineMemory.Limit())
    {
    }

    internal MemoryLedger(MemoryConfig config, long machine)
    {
        ArgumentNullException.ThrowIfNull(config);
        Limit = config.Limit > 0 ? config.Limit : machine == long.MaxValue ? machine : Math.Max(0, machine - config.Reserve);
    }

    public long Limit { get; }

    /// <summary>A snapshot, by id.</summary>
    public IReadOnlyCollection<MemoryEntry> Entries => [.. Volatile.Read(ref _entries).Values];

    public long Held => Volatile.Read(ref _entries).Values.Sum(entry => entry.Forecast.Total);

    public long Free => Limit - Held;

    public bool Holds(string id) => Volatile.Read(ref _entries).ContainsKey(id);

    /// <summary>False where it does not fit. An entry that is there stays as it is.</summary>
    public bool TryReserve(MemoryEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        lock (_gate)
        {
            if (_entries.ContainsKey(entry.Id)) return true;
            if (entry.Forecast.Total > Limit - Held) return false;
            Volatile.Write(ref _entries, _entries.Add(entry.Id, entry));
            return true;
        }
    }

    /// <summary>What is held already, whether it fits or not.</summary>
    public void Put(MemoryEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        lock (_gate) Volatile.Write(ref _entries, _entries.SetItem(entry.Id, entry));
    }

    public void Release(string id)
    {
        lock (_gate) Volatile.Write(ref _entries, _entries.Remove(id));
    }

    /// <summary>With the figures, and without a time to come again: nobody knows when those who hold memory will be done.</summary>
    public ApiError DoesNotFit(MemoryEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var held = string.Join(", ", Entries.Select(other => $"{other.Id} {MemoryForecast.Mib(other.Forecast.Total)}"));
        return new ApiError(
            503,
            $"{entry.Id} would need {entry.Forecast}; of {MemoryForecast.Mib(Limit)} (Memory:LimitBytes), {MemoryForecast.Mib(Math.Max(0, Free))} are free. Held: {(held.Length == 0 ? "nothing" : held)}.",
            "server_error",
            "insufficient_memory");
    }
}
