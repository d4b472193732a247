using Orleans.Runtime;

namespace FinerCut.Cluster.Jobs;

/// <summary>A job as it is kept.</summary>
[GenerateSerializer, Alias("finercut.job-record")]
public sealed class JobRecord
{
    [Id(0)] public string Json { get; set; } = "";

    [Id(1)] public string? Home { get; set; }

    /// <summary>Who works on it; null: nobody.</summary>
    [Id(2)] public string? Host { get; set; }

    /// <summary>That host's process, as <see cref="SiloAddress.ToParsableString"/> writes it.</summary>
    [Id(3)] public string? Silo { get; set; }

    [Id(4)] public int Attempt { get; set; }

    [Id(5)] public List<string> Files { get; set; } = [];

    [Id(6)] public bool CancelAsked { get; set; }

    /// <summary>Hosts that were lost with it.</summary>
    [Id(7)] public int Lost { get; set; }
}
