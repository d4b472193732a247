using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>Three gateway processes with fake workers on one PostgreSQL: an edge, a machine of both roles, a host.</summary>
internal sealed class ThreeMachines : IAsyncDisposable
{
    public const string Secret = "the-secret-of-the-tests-cluster-0123456789";

    /// <summary>Of clients that do not come over loopback.</summary>
    public const string Key = "the-key-of-the-tests-clients-0123456789";

    private ThreeMachines(GatewayProcess edge, GatewayProcess both, GatewayProcess host) => (Edge, Both, Host) = (edge, both, host);

    public GatewayProcess Edge { get; }

    public GatewayProcess Both { get; }

    public GatewayProcess Host { get; }

    public string Logs => $"=== edge\n{Edge.Log}\n=== both\n{Both.Log}\n=== host\n{Host.Log}";

    public static async Task<ThreeMachines> StartAsync(PostgresServer postgres, int replicas = 1, bool hostHasFile = true, Action<JsonObject>? cluster = null)
    {
        var database = await postgres.NewDatabaseAsync();
        var machines = new ThreeMachines(
            Prepare("edge", "Edge", database, replicas, cluster), Prepare("both", "Both", database, replicas, cluster), Prepare("host", "Host", database, replicas, cluster));
        if (!hostHasFile) File.Delete(Path.Combine(machines.Host.Folder, "tiny.gguf"));
        try
        {
            // The one with both roles first: it starts the model, which the others find running.
            await machines.Both.RunAsync();
            await Task.WhenAll(machines.Edge.RunAsync(), machines.Host.RunAsync(ready: false));
            return machines;
        }
        catch (Exception exception)
        {
            var logs = machines.Logs;
            await machines.DisposeAsync();
            throw new InvalidOperationException(logs, exception);
        }
    }

    /// <param name="cluster">Changes the section Cluster.</param>
    /// <param name="address">Where clients and other machines reach it; null: on loopback.</param>
    public static GatewayProcess Prepare(string name, string roles, string database, int replicas, Action<JsonObject>? cluster = null, string? address = null) => GatewayProcess.Prepare(settings =>
    {
        var section = new JsonObject { ["Mode"] = "Orleans", ["Name"] = name, ["Roles"] = roles, ["Port"] = FreePort(), ["Secret"] = Secret };
        if (address is not null)
        {
            (settings["Listen"]!["Address"], section["Address"]) = (address, address);
            (settings["Access"]!["Key"], settings["Admin"]!["LoopbackOnly"]) = (Key, false);
        }

        cluster?.Invoke(section);
        settings["Access"]!["Postgres"] = database;
        settings["Cluster"] = section;
        settings["Models"]![GatewayProcess.Model]!["Replicas"] = replicas;
        if (roles == "Edge") settings["Models"]![GatewayProcess.Model]!["Path"] = "not-here.gguf";
    });

    /// <summary>Of a machine in /admin/cluster's view of its workers that take requests.</summary>
    public static async Task<int> ReadyAsync(GatewayProcess edge) =>
        (await edge.GetAsync("/admin/cluster")).GetProperty("models")[0].GetProperty("workers").EnumerateArray().Count(worker => worker.TryGetProperty("address", out _));

    public async ValueTask DisposeAsync()
    {
        foreach (var machine in (GatewayProcess[])[Edge, Both, Host]) await machine.DisposeAsync();
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
