using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>
/// Machines are killed (kill -9) and fall silent (SIGSTOP), or their cables are cut, while streams, a job and rollouts are under way. CHAOS_SEED and CHAOS_ROUNDS choose another run.
/// </summary>
[Collection(PostgresCollection.Name)]
public class ChaosTests(PostgresServer postgres)
{
    private const int Streams = 2;

    private readonly ConcurrentBag<(string Edge, TimeSpan Began, TimeSpan Ended, string? Problem)> _streams = [];
    private readonly List<(TimeSpan From, TimeSpan To, string Victim)> _faults = [];
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    [Fact]
    public Task Streams_rollouts_and_a_job_go_on_whatever_machine_is_killed_or_falls_silent() => RunAsync(network: null);

    [Fact]
    public async Task Streams_rollouts_and_a_job_go_on_whatever_cable_is_cut()
    {
        if (TestNetwork.Missing() is { } missing)
        {
            Assert.Skip(missing);
            return;
        }

        await using var network = TestNetwork.Make();
        await RunAsync(network);
    }

    private async Task RunAsync(TestNetwork? network)
    {
        var (seed, rounds) = (Number("CHAOS_SEED", 1), Number("CHAOS_ROUNDS", 3));
        var random = new Random(seed);
        var database = await postgres.NewDatabaseAsync();
        if (network is not null) database = network.Reach(database);
        GatewayProcess Machine(string name, string roles)
        {
            if (network is null) return ThreeMachines.Prepare(name, roles, database, replicas: 2);
            var (space, address) = network.Plug(name);
            var machine = ThreeMachines.Prepare(name, roles, database, replicas: 2, address: address);
            (machine.Network, machine.ClientKey) = (space, ThreeMachines.Key);
            return machine;
        }

        await using var edge = Machine("edge", "Edge");
        await using var other = Machine("other", "Edge");
        await using var one = Machine("one", "Host");
        await using var two = Machine("two", "Host");
        string Logs() => $"seed {seed}, faults {string.Join("; ", _faults)}\n=== edge\n{edge.Log}\n=== other\n{other.Log}\n=== one\n{one.Log}\n=== two\n{two.Log}";
        await one.RunAsync(ready: false);
        await Task.WhenAll(edge.RunAsync(), other.RunAsync(), two.RunAsync(ready: false));
        await HealedAsync(edge, other, [], Logs);
        // Some hundred steps of half a second: it is under way in every round.
        foreach (var host in (GatewayProcess[])[one, two]) host.Script("""{"pruneSteps":60,"pruneStepMs":500}""");
        var job = await edge.OrderJobAsync("""{"budget":{"sublayers":3},"promote":false}""");

        using var enough = new CancellationTokenSource();
        var clients = new[] { edge, other }.SelectMany(door => Enumerable.Repeat(door, Streams)).Select(door => Task.Run(() => StreamAsync(door, door == edge ? "edge" : "other", enough.Token))).ToArray();
        var (lean, expected) = (false, "full");
        var struck = new HashSet<GatewayProcess>();
        for (var round = 0; round < rounds; round++)
        {
            var (name, victim) = random.Next(3) switch { 0 => ("one", one), 1 => ("two", two), _ => ("other", other) };
            struck.Add(victim);
            var choice = random.Next(2) == 0;
            var from = _watch.Elapsed;
            var swap = lean ? SwapAsync(edge, expected = expected == "full" ? "lean-1-finercut" : "full", Logs) : Task.CompletedTask;
            await Task.Delay(random.Next(50, 400));
            var fault = network is null ? await StrikeAsync(victim, choice, random) : await CutAsync(network, name, choice ? null : name == "other" ? "one" : "edge", random);
            await HealedAsync(edge, other, struck, Logs);
            await swap;
            // A machine that was given up ends when it sees that, which may be after the others have healed.
            var views = await ViewsAsync(edge, other, () => HealedAsync(edge, other, struck, Logs));
            _faults.Add((from, _watch.Elapsed, $"{name} {fault}"));
            AssertOneActive(views, lean ? expected : null, Logs);
            if (!lean && await EndedAsync(edge, job)) lean = await LeanAsync(edge, Logs);
        }

        JsonElement ended = default;
        await Eventually.BeAsync(async () => (ended = await edge.GetAsync($"/admin/jobs/{job}")).GetProperty("has_ended").GetBoolean(), () => ended + Logs(), seconds: 180);
        Assert.True(ended.GetProperty("state").GetString() == "passed", ended + Logs());
        Assert.Equal(Enumerable.Range(1, 60).Select(step => $"attn:{step}"), ended.GetProperty("result").GetProperty("removed").EnumerateArray().Select(removed => removed.GetString()));
        await enough.CancelAsync();
        await Task.WhenAll(clients);
        Judge(Logs);
    }

    private static async Task<string> StrikeAsync(GatewayProcess victim, bool silent, Random random)
    {
        if (!silent)
        {
            victim.Kill();
            return "killed";
        }

        Signal(victim.Id, "STOP");
        await Task.Delay(TimeSpan.FromSeconds(random.Next(2, 20)));
        // Given up meanwhile, it ends as soon as it sees that, and is started again as a service manager would; else it goes on.
        Signal(victim.Id, "CONT");
        await Task.Delay(TimeSpan.FromSeconds(2));
        return "silent";
    }

    /// <summary>One machine from all, the database and its clients among them, or from one other: then neither can be given up, and both go on.</summary>
    private static async Task<string> CutAsync(TestNetwork network, string victim, string? peer, Random random)
    {
        var seconds = random.Next(2, 25);
        network.Cut(victim, peer);
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        network.Mend(victim, peer);
        await Task.Delay(TimeSpan.FromSeconds(2));
        return $"cut from {peer ?? "all"} for {seconds} s";
    }

    /// <summary>None is mixed; what breaks, breaks in a fault's time: streams of the machine that is gone, or requests to an edge that is.</summary>
    private void Judge(Func<string> logs)
    {
        Assert.True(_streams.Count > 20, $"only {_streams.Count} streams");
        Assert.DoesNotContain(_streams, stream => stream.Problem is "mixed");
        var broken = _streams.Where(stream => stream.Problem is not null).ToArray();
        foreach (var stream in broken)
        {
            var fault = _faults.FirstOrDefault(fault => stream.Began <= fault.To && stream.Ended >= fault.From);
            Assert.True(fault.Victim is not null, $"{stream} broke though nothing happened. {logs()}");
            // A request at an edge that lives always gets an answer; only what was already streaming from a machine that died may end early.
            if (stream.Edge == "edge") Assert.True(stream.Problem!.StartsWith("status", StringComparison.Ordinal) == false, $"{stream} was refused at an edge that lives. {logs()}");
        }

        var ofHosts = _faults.Count(fault => !fault.Victim.StartsWith("other", StringComparison.Ordinal));
        Assert.True(broken.Count(stream => stream.Edge == "edge") <= 2 * Streams * ofHosts, string.Join(", ", broken) + logs());
    }

    private async Task StreamAsync(GatewayProcess door, string name, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            var began = _watch.Elapsed;
            string? problem;
            try
            {
                using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
                var stream = await ChatStream.RunAsync(door.Client, "tokens=20 delay=20", cancellationToken: patience.Token);
                problem = stream.Problem;
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
            {
                problem = exception is OperationCanceledException ? "silence" : "connection";
                await Task.Delay(100, CancellationToken.None);
            }

            _streams.Add((name, began, _watch.Elapsed, problem));
        }
    }

    /// <summary>Both edges answer, and both hosts have a worker that takes requests.</summary>
    private static async Task HealedAsync(GatewayProcess edge, GatewayProcess other, IEnumerable<GatewayProcess> victims, Func<string> logs) => await Eventually.BeAsync(
        async () =>
        {
            foreach (var victim in victims.Where(victim => !Eventually.IsAlive(victim.Id))) await victim.RunAsync(ready: false);
            try
            {
                return await ThreeMachines.ReadyAsync(edge) == 2 && await ThreeMachines.ReadyAsync(other) == 2 && (await other.Client.GetAsync("/health")).StatusCode == HttpStatusCode.OK;
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or Xunit.Sdk.XunitException)
            {
                return false;
            }
        },
        logs,
        seconds: 120);

    /// <summary>What both edges say of the model, from one moment in which both answer.</summary>
    private static async Task<JsonElement[]> ViewsAsync(GatewayProcess edge, GatewayProcess other, Func<Task> healedAsync)
    {
        for (var attempt = 0; ; attempt++)
        {
            await healedAsync();
            try
            {
                return [await edge.GetAsync($"/admin/models/{GatewayProcess.Model}"), await other.GetAsync($"/admin/models/{GatewayProcess.Model}")];
            }
            catch (HttpRequestException) when (attempt < 3)
            {
                // Gone since.
            }
        }
    }

    private static void AssertOneActive(JsonElement[] views, string? expected, Func<string> logs)
    {
        Assert.Equal(views[0].GetProperty("active").GetString(), views[1].GetProperty("active").GetString());
        if (expected is not null) Assert.True(views[0].GetProperty("active").GetString() == expected, $"{views[0]} {logs()}");
        Assert.Single(views[0].GetProperty("versions").EnumerateArray(), version => version.GetProperty("state").GetString() == "active");
        // One owner, one history: each version that leaves is the one that was active.
        var active = "full";
        foreach (var row in views[0].GetProperty("history").EnumerateArray())
        {
            if (string.Equals(row.GetProperty("event").GetString(), "Replaced", StringComparison.OrdinalIgnoreCase)) Assert.Equal(active, row.GetProperty("version").GetString());
            if (row.GetProperty("state").GetString() == "active") active = row.GetProperty("version").GetString()!;
        }
    }

    /// <summary>A promotion whose owner dies is ordered again, as an admin would; it may have happened.</summary>
    private static async Task SwapAsync(GatewayProcess edge, string version, Func<string> logs) => await Eventually.BeAsync(
        async () =>
        {
            try
            {
                var (status, _) = await edge.PromoteAsync(version);
                return status == HttpStatusCode.OK;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        },
        logs,
        seconds: 120);

    private static async Task<bool> EndedAsync(GatewayProcess edge, string job) => (await edge.GetAsync($"/admin/jobs/{job}")).GetProperty("state").GetString() == "passed";

    private static async Task<bool> LeanAsync(GatewayProcess edge, Func<string> logs)
    {
        await SwapAsync(edge, "full", logs);
        return true;
    }

    private static void Signal(int process, string signal)
    {
        using var kill = Process.Start("kill", $"-{signal} {process}");
        kill.WaitForExit();
    }

    private static int Number(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var given) ? given : otherwise;
}
