using System.Collections.Immutable;
using System.Net;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.External;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Redaction;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Telemetry;

namespace FinerCut.Gateway.Configuration;

/// <summary>Everything the user may set, validated: read once at the door by <see cref="GatewayConfigReader"/>. Immutable.</summary>
public sealed record GatewayConfig
{
    /// <summary>Folder that relative paths start from: the folder of appsettings.json.</summary>
    public required string ContentRoot { get; init; }

    public required ListenConfig Listen { get; init; }

    /// <summary>Absolute folder of databases, keys, jobs and lean versions; made when absent.</summary>
    public required string StateFolder { get; init; }

    /// <summary>Absolute folder of the keys that recorded traffic is encrypted with.</summary>
    public string RecordingKeys { get; init; } = "";

    public required AdminConfig Admin { get; init; }

    public AccessConfig Access { get; init; } = AccessConfig.Default;

    public RedactionConfig Redaction { get; init; } = RedactionConfig.All;

    public ClusterConfig Cluster { get; init; } = ClusterConfig.Standalone;

    public required WorkerConfig Worker { get; init; }

    public required ForwardingConfig Forwarding { get; init; }

    public required JobsConfig Jobs { get; init; }

    public MemoryConfig Memory { get; init; } = MemoryConfig.Default;

    public OtlpConfig Otlp { get; init; } = OtlpConfig.Off;

    /// <summary>At least one; ids differ without regard to case.</summary>
    public required ImmutableArray<ModelConfig> Models { get; init; }
}

/// <param name="Port">0 takes a free one.</param>
public sealed record ListenConfig(IPAddress Address, int Port);

/// <param name="Key">Null: generated once into the state folder.</param>
/// <param name="LoopbackOnly">Admin requests from other machines are answered 404, as if there were no admin endpoints.</param>
public sealed record AdminConfig(string? Key, bool LoopbackOnly);

/// <summary>How worker processes are started and kept alive.</summary>
public sealed record WorkerConfig
{
    /// <summary>Absolute path of the Worker program.</summary>
    public required string Path { get; init; }

    /// <summary>Where workers listen: this machine's own address in a cluster, where others forward to them; each asks for a key of its own.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>From the start of the process to a healthy model.</summary>
    public required TimeSpan StartTimeout { get; init; }

    /// <summary>From the request to stop to the kill of the process tree.</summary>
    public required TimeSpan StopTimeout { get; init; }

    /// <summary>Between probes of a ready worker; one that leaves three unanswered is ended and started again.</summary>
    public required TimeSpan LivenessInterval { get; init; }

    /// <summary>Of one such probe.</summary>
    public required TimeSpan LivenessTimeout { get; init; }

    public required RestartConfig Restart { get; init; }
}

/// <summary>Back-off and breaker of a worker that dies.</summary>
/// <param name="FirstDelay">After the first death; doubles with each further one.</param>
/// <param name="LongestDelay">Upper bound of the delay.</param>
/// <param name="BreakerDeaths">Deaths within <paramref name="BreakerWindow"/> that open the breaker.</param>
/// <param name="BreakerPause">After it one more start is tried.</param>
public sealed record RestartConfig(TimeSpan FirstDelay, TimeSpan LongestDelay, int BreakerDeaths, TimeSpan BreakerWindow, TimeSpan BreakerPause);

public sealed record ForwardingConfig
{
    public required long MaxBodyBytes { get; init; }

    public required TimeSpan ConnectTimeout { get; init; }

    /// <summary>From the send of a request to the first byte of its answer's body, on one destination.</summary>
    public required TimeSpan FirstByteTimeout { get; init; }

    /// <summary>Longest silence within an answer.</summary>
    public required TimeSpan IdleTimeout { get; init; }

    /// <summary>No new attempt is made, nor a loading worker waited for, past this.</summary>
    public required TimeSpan RetryDeadline { get; init; }
}

public sealed record JobsConfig
{
    /// <summary>Threads of a prune job; 0 leaves it to the Worker.</summary>
    public required int Threads { get; init; }

    /// <summary>Layers of a prune job's model on the GPU, -1 = all; 0 = jobs leave GPUs to the workers.</summary>
    public required int GpuLayers { get; init; }

    /// <summary>Whether a prune job runs only when nothing else on the machine wants the processors.</summary>
    public required bool Yield { get; init; }

    /// <summary>Starts of the Worker for one job before the job fails; restarts of the gateway do not count.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>Recorded conversations (distinct prompts) with which a job may begin.</summary>
    public required int MinConversations { get; init; }

    /// <summary>Conversations drawn for a job at most, both sets together.</summary>
    public required int MaxConversations { get; init; }
}

public sealed record ModelConfig
{
    /// <summary>The id that clients send; also a folder name.</summary>
    public required string Id { get; init; }

    /// <summary>Absolute path of the GGUF file.</summary>
    public required string Path { get; init; }

    /// <summary>Lower-case hex, or null where the file is taken as it is.</summary>
    public string? Sha256 { get; init; }

    public required int ContextSize { get; init; }

    public required int Parallel { get; init; }

    /// <summary>0 leaves it to the Worker.</summary>
    public required int Threads { get; init; }

    public DeviceConfig Device { get; init; } = new();

    /// <summary>Machines of a cluster that serve the model at the same time.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>How long a replaced version may finish its streams.</summary>
    public required TimeSpan DrainTimeout { get; init; }

    public required RecordingConfig Recording { get; init; }

    public RolloutConfig Rollout { get; init; } = new();

    /// <summary>Of silence before a request is sent to a second destination as well; zero: never.</summary>
    public TimeSpan HedgeAfter { get; init; }

    /// <summary>Servers elsewhere that answer for the model instead of a worker; empty where it has a file.</summary>
    public ImmutableArray<DestinationConfig> Destinations { get; init; } = [];

    public bool IsExternal => !Destinations.IsEmpty;

    public LoadMoment Load { get; init; } = LoadMoment.Start;

    /// <summary>Never unloaded, neither for idleness nor to make room.</summary>
    public bool Pinned { get; init; }

    /// <summary>Unloaded when nobody asked for it for so long; zero: never.</summary>
    public TimeSpan UnloadAfter { get; init; }
}

public enum LoadMoment
{
    /// <summary>With the gateway.</summary>
    Start,

    /// <summary>When the first request comes.</summary>
    Demand,
}

/// <summary>Bounds of one model's traffic recording.</summary>
public sealed record RecordingConfig
{
    public required bool Enabled { get; init; }

    public required int MaxConversations { get; init; }

    /// <summary>Of all conversations of the model together.</summary>
    public required long MaxBytes { get; init; }

    /// <summary>A longer exchange (request and answer) is not recorded.</summary>
    public required int MaxConversationBytes { get; init; }

    public required TimeSpan TimeToLive { get; init; }

    /// <summary>Of the sampling.</summary>
    public required int Seed { get; init; }
}
