using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>
/// A switch with machines on it: each in a network namespace of its own, with an address and a cable that can be cut. The test itself has the first address; a database on this machine's
/// loopback is reached through it. Needs root and iproute2 (<see cref="Missing"/>).
/// </summary>
internal sealed class TestNetwork : IAsyncDisposable
{
    private static int _networks;

    private readonly int _number = (Environment.ProcessId + (Interlocked.Increment(ref _networks) * 50)) % 250;
    private readonly List<string> _machines = [];
    private readonly CancellationTokenSource _ending = new();
    private TcpListener? _door;

    private TestNetwork()
    {
    }

    private string Switch => $"fc{_number}";

    private string OwnAddress => $"10.211.{_number}.1";

    /// <summary>What this machine lacks for such a network; null: nothing.</summary>
    public static string? Missing()
    {
        if (!Environment.IsPrivilegedProcess) return "Network namespaces need root.";
        try
        {
            var problem = Run("link add fcprobe type bridge");
            return problem.Length > 0 ? problem : Run("link del fcprobe") + Run("netns add fcprobe") + Run("netns del fcprobe") is { Length: > 0 } more ? more : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "There is no ip on the PATH: apt-get install -y iproute2";
        }
    }

    public static TestNetwork Make()
    {
        var network = new TestNetwork();
        Must($"link add {network.Switch} type bridge");
        Must($"addr add {network.OwnAddress}/24 dev {network.Switch}");
        Must($"link set {network.Switch} up");
        return network;
    }

    /// <summary>A namespace for a machine, and its address.</summary>
    public (string Namespace, string Address) Plug(string machine)
    {
        _machines.Add(machine);
        var (space, address) = (Space(machine), Address(machine));
        Must($"netns add {space}");
        Must($"link add {Cable(machine)} type veth peer name eth0 netns {space}");
        Must($"link set {Cable(machine)} master {Switch} up");
        foreach (var command in (string[])[$"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"]) Must($"-n {space} {command}");
        return (space, address);
    }

    /// <summary>The connection string as machines on the switch have to say it.</summary>
    public string Reach(string postgres)
    {
        var parts = postgres.Split(';').Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
        var target = new IPEndPoint(IPAddress.Parse(parts["Host"]), int.Parse(parts["Port"], CultureInfo.InvariantCulture));
        _door = new TcpListener(IPAddress.Parse(OwnAddress), 0);
        _door.Start();
        _ = RelayAsync(_door, target);
        (parts["Host"], parts["Port"]) = (OwnAddress, $"{((IPEndPoint)_door.LocalEndpoint).Port}");
        return string.Join(';', parts.Select(part => $"{part.Key}={part.Value}"));
    }

    /// <summary>Nothing passes any more, and nobody is told: between two machines, or between one and everything.</summary>
    public void Cut(string machine, string? from)
    {
        if (from is null) Must($"link set {Cable(machine)} down");
        // To a card that nobody has.
        else foreach (var (one, other) in ((string, string)[])[(machine, from), (from, machine)]) Must($"-n {Space(one)} neigh replace {Address(other)} lladdr 02:00:00:00:00:01 dev eth0 nud permanent");
    }

    public void Mend(string machine, string? from)
    {
        if (from is null) Must($"link set {Cable(machine)} up");
        else foreach (var (one, other) in ((string, string)[])[(machine, from), (from, machine)]) Must($"-n {Space(one)} neigh del {Address(other)} dev eth0");
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _door?.Dispose();
        foreach (var machine in _machines) Run($"netns del {Space(machine)}");
        Run($"link del {Switch}");
        _ending.Dispose();
    }

    private string Space(string machine) => $"{Switch}-{machine}";

    private string Cable(string machine) => $"{Switch}c{_machines.IndexOf(machine)}";

    private string Address(string machine) => $"10.211.{_number}.{10 + _machines.IndexOf(machine)}";

    private async Task RelayAsync(TcpListener door, IPEndPoint target)
    {
        try
        {
            while (true) _ = PassAsync(await door.AcceptTcpClientAsync(_ending.Token), target);
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The network is taken down.
        }
    }

    private async Task PassAsync(TcpClient near, IPEndPoint target)
    {
        using var far = new TcpClient();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        using (near)
        {
            try
            {
                await far.ConnectAsync(target, end.Token);
                await Task.WhenAny(near.GetStream().CopyToAsync(far.GetStream(), end.Token), far.GetStream().CopyToAsync(near.GetStream(), end.Token));
            }
            catch (Exception exception) when (exception is OperationCanceledException or SocketException or IOException)
            {
                // One end is gone, and with it the other.
            }
            finally
            {
                await end.CancelAsync();
            }
        }
    }

    private static void Must(string arguments)
    {
        if (Run(arguments) is { Length: > 0 } problem) throw new InvalidOperationException($"ip {arguments}: {problem}");
    }

    /// <summary>What it complained of.</summary>
    private static string Run(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var problem = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? "" : problem.Length > 0 ? problem : $"exit code {process.ExitCode}";
    }
}
