using System.Collections.Immutable;
using System.Net;
using System.Text.RegularExpressions;
using FinerCut.Gateway.Access;
using FinerCut.Gateway.Clusters;
using FinerCut.Gateway.External;
using FinerCut.Gateway.Memory;
using FinerCut.Gateway.Redaction;
using FinerCut.Gateway.Rollout;
using FinerCut.Gateway.Telemetry;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>From raw settings to <see cref="GatewayConfig"/>: pure but for asking whether files exist.</summary>
public static partial class GatewayConfigReader
{
    public const string EmbeddedId = "smollm2-135m";
    public const string EmbeddedPath = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
    public const string EmbeddedSha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

    /// <exception cref="ConfigException">With every error there is.</exception>
    public static GatewayConfig Read(IConfiguration settings, string contentRoot)
    {
        var errors = new List<ConfigError>();
        var root = new SectionReader(settings, "", errors);
        var config = Read(root, contentRoot);
        root.RefuseUnknown();
        return errors.Count == 0 ? config : throw new ConfigException(errors);
    }

    /// <summary>Asks for every key that there is, whatever the answers.</summary>
    internal static void Describe(SectionReader root) => Read(root, "/");

    private static GatewayConfig Read(SectionReader root, string contentRoot)
    {
        root.Allow("Logging");
        root.Allow("$schema");
        var state = Path.GetFullPath(root.Section("State").Text("Path") ?? "state", contentRoot);
        var access = AccessConfig.Read(root.Section("Access"));
        var cluster = ClusterConfig.Read(root.Section("Cluster"), access.Postgres, contentRoot);
        return new GatewayConfig
        {
            ContentRoot = contentRoot,
            Listen = Listen(root.Section("Listen")),
            StateFolder = state,
            RecordingKeys = Path.GetFullPath(root.Section("Recording").Text("KeysPath") ?? Path.Combine(state, "keys"), contentRoot),
            Admin = Admin(root.Section("Admin")),
            Access = access,
            Cluster = cluster,
            Redaction = ConversationRedaction.Read(root.Section("Redaction")),
            Worker = Worker(root.Section("Worker"), contentRoot) with { Host = cluster.IsOn ? cluster.Address.ToString() : "127.0.0.1" },
            Forwarding = Forwarding(root.Section("Forwarding")),
            Jobs = Jobs(root.Section("Jobs")),
            Memory = MemoryConfig.Read(root.Section("Memory")),
            Otlp = OtlpConfig.Read(root.Section("Telemetry").Section("Otlp")),
            Models = Models(root, contentRoot, !cluster.IsOn),
        };
    }

    /// <summary>The Worker program: the one that is given, else beside this program.</summary>
    public static string WorkerPath(string? given, string contentRoot)
    {
        var name = OperatingSystem.IsWindows() ? "FinerCut.Worker.exe" : "FinerCut.Worker";
        return string.IsNullOrWhiteSpace(given) ? Path.Combine(AppContext.BaseDirectory, "worker", name) : Path.GetFullPath(given, contentRoot);
    }

    private static ListenConfig Listen(SectionReader section)
    {
        var text = section.Text("Address", "127.0.0.1");
        if (!IPAddress.TryParse(text, out var address))
        {
            section.Error("Address", text, "expected an IP address such as 127.0.0.1, ::1 or 0.0.0.0");
            address = IPAddress.Loopback;
        }

        return new ListenConfig(address, section.Integer("Port", 8080, 0, 65535));
    }

    private static AdminConfig Admin(SectionReader section)
    {
        var key = section.Text("Key");
        if (key is { Length: < 16 }) section.Error("Key", null, "expected at least 16 characters (the value is not shown)");
        return new AdminConfig(key, section.Flag("LoopbackOnly", true));
    }

    private static WorkerConfig Worker(SectionReader section, string contentRoot)
    {
        var given = section.Text("Path");
        var path = WorkerPath(given, contentRoot);
        if (!File.Exists(path)) section.Error("Path", given, $"the Worker program is not at {path}");
        var restart = section.Section("Restart");
        return new WorkerConfig
        {
            Path = path,
            StartTimeout = section.Seconds("StartTimeoutSeconds", 300, 1, 86400),
            StopTimeout = section.Seconds("StopTimeoutSeconds", 10, 0.1, 3600),
            LivenessInterval = section.Seconds("LivenessIntervalSeconds", 10, 0.01, 3600),
            LivenessTimeout = section.Seconds("LivenessTimeoutSeconds", 30, 0.01, 3600),
            Restart = new RestartConfig(
                restart.Seconds("FirstDelaySeconds", 0.1, 0, 60),
                restart.Seconds("LongestDelaySeconds", 30, 0, 3600),
                restart.Integer("BreakerDeaths", 5, 1, 1000),
                restart.Seconds("BreakerWindowSeconds", 60, 1, 86400),
                restart.Seconds("BreakerPauseSeconds", 60, 0.1, 86400)),
        };
    }

    private static ForwardingConfig Forwarding(SectionReader section) => new()
    {
        MaxBodyBytes = section.Long("MaxBodyBytes", 4 << 20, 1024, 1 << 30),
        ConnectTimeout = section.Seconds("ConnectTimeoutSeconds", 5, 0.1, 600),
        FirstByteTimeout = section.Seconds("FirstByteTimeoutSeconds", 300, 0.1, 86400),
        IdleTimeout = section.Seconds("IdleTimeoutSeconds", 120, 0.1, 86400),
        RetryDeadline = section.Seconds("RetryDeadlineSeconds", 30, 0, 3600),
    };

    private static JobsConfig Jobs(SectionReader section) => new()
    {
        Threads = section.Integer("Threads", 0, 0, 1024),
        GpuLayers = section.Integer("GpuLayers", 0, -1, 1 << 16),
        Yield = section.Flag("Yield", true),
        MaxAttempts = section.Integer("MaxAttempts", 3, 1, 100),
        MinConversations = section.Integer("MinConversations", 16, 2, 1_000_000),
        MaxConversations = section.Integer("MaxConversations", 256, 2, 1_000_000),
    };

    private static ImmutableArray<ModelConfig> Models(SectionReader root, string contentRoot, bool needsFiles)
    {
        var named = root.Named("Models");
        if (named.Count > 0) return [.. named.Select(model => Model(root, model.Name, model.Reader, contentRoot, needsFiles))];

        // The embedded model stands in when no model is configured.
        var empty = new SectionReader(new ConfigurationBuilder().Build(), "Models:" + EmbeddedId, []);
        return [Model(root, EmbeddedId, empty, contentRoot, needsFiles)];
    }

    private static ModelConfig Model(SectionReader root, string id, SectionReader section, string contentRoot, bool needsFile)
    {
        var where = "Models:" + id;
        if (!IdPattern().IsMatch(id)) root.Error(where, null, "expected an id of letters, digits, '.', '_' and '-', at most 64, starting with a letter or digit");
        var destinations = DestinationConfig.Read(section);
        var embedded = id == EmbeddedId && destinations.IsEmpty;
        var given = section.Text("Path") ?? (embedded ? EmbeddedPath : null);
        if (given is null == destinations.IsEmpty) root.Error(where + ":Path", given, "expected the path of a GGUF file, or Destinations, not both");
        var path = Find(given ?? "", contentRoot);
        if (given is not null && needsFile && !File.Exists(path)) root.Error(where + ":Path", given, $"there is no file at {path}");
        var sha256 = section.Text("Sha256") ?? (embedded && given == EmbeddedPath ? EmbeddedSha256 : null);
        if (sha256 is not null && !Sha256Pattern().IsMatch(sha256)) root.Error(where + ":Sha256", sha256, "expected 64 hexadecimal digits");
        return new ModelConfig
        {
            Id = id,
            Path = destinations.IsEmpty ? path : "",
            Destinations = destinations,
            Sha256 = sha256?.ToLowerInvariant(),
            ContextSize = section.Integer("ContextSize", 4096, 64, 1 << 24),
            Parallel = section.Integer("Parallel", 4, 1, 256),
            Threads = section.Integer("Threads", 0, 0, 1024),
            Device = DeviceConfig.Read(section.Section("Device")),
            Replicas = section.Integer("Replicas", 1, 1, 1024),
            DrainTimeout = section.Seconds("DrainTimeoutSeconds", 300, 0, 86400),
            Recording = Recording(section.Section("Recording")),
            HedgeAfter = section.Seconds("HedgeAfterSeconds", 0, 0, 3600),
            Load = section.Word("Load", LoadMoment.Start),
            Pinned = section.Flag("Pinned", false),
            UnloadAfter = section.Seconds("UnloadAfterSeconds", 0, 0, 365 * 86400),
            Rollout = RolloutConfig.Read(section.Section("Rollout")),
        };
    }

    private static RecordingConfig Recording(SectionReader section) => new()
    {
        Enabled = section.Flag("Enabled", false),
        MaxConversations = section.Integer("MaxConversations", 1000, 2, 10_000_000),
        MaxBytes = section.Long("MaxBytes", 64 << 20, 4096, 1L << 40),
        MaxConversationBytes = section.Integer("MaxConversationBytes", 256 << 10, 256, 64 << 20),
        TimeToLive = section.Seconds("TimeToLiveSeconds", 30 * 86400, 1, 3650L * 86400),
        Seed = section.Integer("Seed", 1, 0, int.MaxValue),
    };

    /// <summary>Relative paths are looked for in the content root, then beside the program (where the embedded model is copied).</summary>
    private static string Find(string given, string contentRoot)
    {
        var path = Path.GetFullPath(given, contentRoot);
        var beside = Path.GetFullPath(given, AppContext.BaseDirectory);
        return !File.Exists(path) && File.Exists(beside) ? beside : path;
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    private static partial Regex IdPattern();

    [GeneratedRegex("^[0-9A-Fa-f]{64}$")]
    private static partial Regex Sha256Pattern();
}
