using System.Diagnostics;

namespace FinerCut.GatewayBench;

/// <summary>
/// What a gateway that stands alone pays for there being a cluster: this build, the same again (what differs between those two is noise), this build without the folder cluster/, and any
/// other builds, by turns: starts, then requests.
/// </summary>
internal static class Alone
{
    private const int Warm = 3000;
    private const int Batch = 500;

    /// <param name="rounds">Starts of each; each round has a batch of requests as well.</param>
    /// <param name="others">Programs of other builds.</param>
    public static async Task RunAsync(int rounds, string[] others)
    {
        var bare = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(GatewayUnderTest.Program)))!, "GatewayAlone");
        try
        {
            await CopyAsync(Path.GetDirectoryName(GatewayUnderTest.Program)!, bare);
            if (!Directory.Exists(Path.Combine(bare, "cluster"))) throw new InvalidOperationException("There is no folder cluster/ beside the gateway: dotnet build -c Release src/Cluster");
            Directory.Delete(Path.Combine(bare, "cluster"), recursive: true);
            var builds = new List<Build> { new("this build", GatewayUnderTest.Program), new("the same again", GatewayUnderTest.Program), new("without cluster/", Path.Combine(bare, "finercut")) };
            builds.AddRange(others.Select(other => new Build(other, other)));
            foreach (var build in builds) build.Folder = await GatewayUnderTest.FolderAsync();
            await StartsAsync(builds, rounds);
            await RequestsAsync(builds, rounds);
            Say(builds);
            foreach (var build in builds) Directory.Delete(build.Folder, recursive: true);
        }
        finally
        {
            if (Directory.Exists(bare)) Directory.Delete(bare, recursive: true);
        }
    }

    /// <summary>A round begins with another build each time, so that no build always follows the same one.</summary>
    private static IEnumerable<Build> Turn(List<Build> builds, int round) => Enumerable.Range(0, builds.Count).Select(at => builds[(at + round) % builds.Count]);

    private static async Task StartsAsync(List<Build> builds, int rounds)
    {
        // The first start of each fills the page cache.
        for (var round = -1; round < rounds; round++)
        {
            foreach (var build in Turn(builds, round + 1))
            {
                var began = Stopwatch.GetTimestamp();
                var (process, address) = await GatewayUnderTest.LaunchAsync(build.Program, build.Folder);
                var listens = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                await ReadyAsync(address);
                var ready = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                // What it does after its start is over by then.
                await Task.Delay(1000);
                process.Refresh();
                if (round >= 0)
                {
                    build.Listens.Add(listens);
                    build.Ready.Add(ready);
                    build.StartCpu.Add(process.TotalProcessorTime.TotalMilliseconds);
                    build.Resident.Add(process.WorkingSet64 / 1048576.0);
                }

                await EndAsync(process);
            }
        }
    }

    private static async Task RequestsAsync(List<Build> builds, int rounds)
    {
        foreach (var build in builds)
        {
            (build.Process, var address) = await GatewayUnderTest.LaunchAsync(build.Program, build.Folder);
            await ReadyAsync(address);
            build.Client = await Client.ConnectAsync(address, chunks: 0);
            for (var request = 0; request < Warm; request++) await build.Client.AskAsync();
        }

        for (var round = 0; round < rounds; round++)
        {
            foreach (var build in Turn(builds, round))
            {
                build.Process!.Refresh();
                var before = build.Process.TotalProcessorTime;
                for (var request = 0; request < Batch; request++)
                {
                    var began = Stopwatch.GetTimestamp();
                    await build.Client!.AskAsync();
                    build.Requests.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
                }

                build.Process.Refresh();
                build.RequestCpu.Add((build.Process.TotalProcessorTime - before).TotalMicroseconds / Batch);
            }
        }

        foreach (var build in builds)
        {
            build.Client!.Dispose();
            await EndAsync(build.Process!);
        }
    }

    private static void Say(List<Build> builds)
    {
        Console.WriteLine("| build | listens, ms | ready, ms | CPU until a second later, ms | resident, MiB | a request, µs | CPU a request, µs |\n|---|---|---|---|---|---|---|");
        foreach (var build in builds)
        {
            var cells = build.Figures.Zip(builds[0].Figures, (own, first) => FormattableString.Invariant($"{Median(own):0.0} ({100 * ((Median(own) / Median(first)) - 1):+0.0;-0.0} %)"));
            Console.WriteLine($"| {build.Name} | {string.Join(" | ", cells)} |");
        }
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static async Task ReadyAsync(Uri address)
    {
        using var client = new HttpClient { BaseAddress = address };
        while (!(await client.GetAsync("/health")).IsSuccessStatusCode) await Task.Delay(5);
    }

    private static async Task EndAsync(Process process)
    {
        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        process.Dispose();
    }

    private static async Task CopyAsync(string from, string to)
    {
        Directory.CreateDirectory(to);
        using var copy = Process.Start("cp", ["-al", from + "/.", to]);
        await copy.WaitForExitAsync();
    }

    private sealed class Build(string name, string program)
    {
        public string Name => name;

        public string Program => program;

        public string Folder { get; set; } = "";

        public Process? Process { get; set; }

        public Client? Client { get; set; }

        public List<double> Listens { get; } = [];

        public List<double> Ready { get; } = [];

        public List<double> StartCpu { get; } = [];

        public List<double> Resident { get; } = [];

        public List<double> Requests { get; } = [];

        public List<double> RequestCpu { get; } = [];

        public List<double>[] Figures => [Listens, Ready, StartCpu, Resident, Requests, RequestCpu];
    }
}
