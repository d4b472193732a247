using System.Collections.Concurrent;
using System.Net;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>
/// Two versions of the program in one cluster: this one and a later one whose contracts all have a member more. OLD_GATEWAY names the finercut of an older build, from which machines are
/// then upgraded to this one: git worktree add ../older COMMIT &amp;&amp; dotnet build ../older/src/Cluster.
/// </summary>
[Collection(PostgresCollection.Name)]
public class UpgradeTests(PostgresServer postgres)
{
    [Fact]
    public async Task Machines_are_upgraded_one_after_the_other_while_clients_are_answered()
    {
        using var next = await NextGateway.MakeAsync();
        var (older, newer) = Environment.GetEnvironmentVariable("OLD_GATEWAY") is { Length: > 0 } old ? (old, GatewayProcess.Program) : (GatewayProcess.Program, next.Program);
        var database = await postgres.NewDatabaseAsync();
        GatewayProcess Machine(string name, string roles)
        {
            var machine = ThreeMachines.Prepare(name, roles, database, replicas: 2);
            machine.Executable = older;
            return machine;
        }

        await using var edge = Machine("edge", "Edge");
        await using var other = Machine("other", "Edge");
        await using var one = Machine("one", "Host");
        await using var two = Machine("two", "Host");
        string Logs() => $"=== edge\n{edge.Log}\n=== other\n{other.Log}\n=== one\n{one.Log}\n=== two\n{two.Log}";
        await one.RunAsync(ready: false);
        await Task.WhenAll(edge.RunAsync(), other.RunAsync(), two.RunAsync(ready: false));
        await Eventually.BeAsync(async () => await ThreeMachines.ReadyAsync(edge) == 2, Logs);

        var streams = new ConcurrentBag<ChatStream>();
        using var enough = new CancellationTokenSource();
        // At the edge that is upgraded last; until then it is the older version's.
        var running = Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested) streams.Add(await ChatStream.RunAsync(edge.Client, "tokens=10 delay=5"));
        });
        foreach (var machine in (GatewayProcess[])[one, two, other])
        {
            Assert.Equal(0, await machine.StopAsync());
            machine.Executable = newer;
            await machine.RunAsync(ready: machine == other);
            await Eventually.BeAsync(async () => await ThreeMachines.ReadyAsync(edge) == 2 && await ThreeMachines.ReadyAsync(other) == 2, Logs);
            Assert.Null((await ChatStream.RunAsync(other.Client, "tokens=3")).Problem);
        }

        // A job ordered at the new edge runs on a new host, and the older edge serves what it made.
        var job = await other.JobEndAsync(await other.OrderJobAsync());
        Assert.True(job.GetProperty("state").GetString() == "passed", job + Logs());
        await Eventually.BeAsync(async () => (await ChatStream.RunAsync(edge.Client, "tokens=3")).Versions is ["lean-1-finercut", ..], Logs, seconds: 30);
        Assert.Equal(HttpStatusCode.OK, (await edge.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/rollback")).Status);
        await enough.CancelAsync();
        await running;
        Assert.Empty(streams.Where(stream => stream.Problem is not null).Select(stream => stream.Problem));
        Assert.True(streams.Count > 20, $"only {streams.Count} streams");
    }
}
