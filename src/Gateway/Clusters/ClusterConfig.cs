using System.Net;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Clusters;

public enum ClusterMode
{
    /// <summary>One machine: nothing of a cluster is loaded.</summary>
    Standalone,

    /// <summary>Several machines over Microsoft Orleans.</summary>
    Orleans,
}

/// <summary>What a gateway of a cluster does.</summary>
[Flags]
public enum ClusterRoles
{
    /// <summary>Answers clients: keys, quotas, recording, forwarding.</summary>
    Edge = 1,

    /// <summary>Starts and supervises workers.</summary>
    Host = 2,
    Both = Edge | Host,
}

/// <summary>Certificates of the traffic between machines, as files.</summary>
/// <param name="Certificate">PEM, of this machine; with its chain.</param>
/// <param name="Key">PEM, the certificate's private key.</param>
/// <param name="Authority">PEM; every other machine's certificate must be signed by one of these.</param>
public sealed record ClusterTls(string Certificate, string Key, string Authority);

/// <summary>The several machines that this gateway is one of. Immutable.</summary>
public sealed record ClusterConfig
{
    public required ClusterMode Mode { get; init; }

    /// <summary>This machine's name, unique in the cluster and the same after a restart.</summary>
    public required string Name { get; init; }

    public required ClusterRoles Roles { get; init; }

    /// <summary>Machines with the same id are one cluster.</summary>
    public required string Id { get; init; }

    /// <summary>Where other machines reach this one: cluster traffic and workers.</summary>
    public required IPAddress Address { get; init; }

    public required int Port { get; init; }

    /// <summary>Connection string of the cluster's PostgreSQL database.</summary>
    public string Postgres { get; init; } = "";

    /// <summary>Connection string of a Redis server that keeps members, states and reminders in the place of <see cref="Postgres"/>; null: there is none.</summary>
    public string? Redis { get; init; }

    /// <summary>Whether Orleans' own dashboard is served to admins.</summary>
    public bool Dashboard { get; init; }

    /// <summary>Proved by both ends of every connection between machines; null where <see cref="Tls"/> does it.</summary>
    public string? Secret { get; init; }

    public ClusterTls? Tls { get; init; }

    /// <summary>Other hosts at most that score for the search of a job of this one.</summary>
    public int Scorers { get; init; }

    public bool IsOn => Mode == ClusterMode.Orleans;

    public bool IsEdge => !IsOn || Roles.HasFlag(ClusterRoles.Edge);

    public bool IsHost => !IsOn || Roles.HasFlag(ClusterRoles.Host);

    public static ClusterConfig Standalone { get; } = new()
    {
        Mode = ClusterMode.Standalone, Name = "", Roles = ClusterRoles.Both, Id = "", Address = IPAddress.Loopback, Port = 0,
    };

    /// <param name="section">Cluster.</param>
    /// <param name="accessPostgres">Access:Postgres, which the cluster shares unless it has a database of its own.</param>
    /// <param name="contentRoot">Where relative paths start.</param>
    internal static ClusterConfig Read(SectionReader section, string? accessPostgres, string contentRoot)
    {
        var tls = section.Section("Tls");
        var secret = section.Text("Secret");
        var config = new ClusterConfig
        {
            Mode = section.Word("Mode", ClusterMode.Standalone),
            Name = section.Text("Name") ?? Environment.MachineName,
            Roles = section.Word("Roles", ClusterRoles.Both),
            Id = section.Text("Id", "finercut"),
            Address = ReadAddress(section),
            Port = section.Integer("Port", 11111, 1, 65535),
            Postgres = section.Text("Postgres") ?? accessPostgres ?? "",
            Redis = section.Text("Redis"),
            Dashboard = section.Flag("Dashboard", false),
            Secret = secret,
            Scorers = section.Integer("Scorers", 0, 0, 1000),
            Tls = ReadTls(tls, contentRoot),
        };
        if (!config.IsOn) return config;
        if (config.Postgres.Length == 0 && config.Redis is null) section.Error("Postgres", null, "expected the connection string of a PostgreSQL database (or Access:Postgres), which all machines of the cluster share");
        if (accessPostgres is null) section.Error("Mode", "Orleans", "expected Access:Postgres as well: keys that only one machine knows are of no use in a cluster");
        if (secret is { Length: < 32 }) section.Error("Secret", null, "expected at least 32 characters, the same on all machines (the value is not shown)");
        if (secret is null && config.Tls is null) section.Error("Secret", null, "expected a secret of at least 32 characters, the same on all machines, or Cluster:Tls: a cluster is never open to whoever reaches its port");
        return config;
    }

    private static IPAddress ReadAddress(SectionReader section)
    {
        var text = section.Text("Address", "127.0.0.1");
        if (IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)) return address;
        section.Error("Address", text, "expected the IP address at which the other machines reach this one, such as 10.0.0.5");
        return IPAddress.Loopback;
    }

    private static ClusterTls? ReadTls(SectionReader section, string contentRoot)
    {
        var (certificate, key, authority) = (section.Text("Certificate"), section.Text("Key"), section.Text("Authority"));
        if (certificate is null && key is null && authority is null) return null;
        return new ClusterTls(Find("Certificate", certificate), Find("Key", key), Find("Authority", authority));

        string Find(string name, string? given)
        {
            var path = given is null ? "" : Path.GetFullPath(given, contentRoot);
            if (!File.Exists(path)) section.Error(name, given, "expected the path of a PEM file; Certificate, Key and Authority belong together");
            return path;
        }
    }
}
