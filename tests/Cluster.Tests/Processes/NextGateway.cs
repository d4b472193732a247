using System.Diagnostics;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>This gateway with the cluster of a later version beside it (tests/NextCluster), in a folder of its own that goes with it.</summary>
internal sealed class NextGateway : IDisposable
{
    private readonly string _folder = Path.Combine(Artifacts, "NextGateway", Path.GetRandomFileName());

    private NextGateway()
    {
    }

    public string Program => Path.Combine(_folder, Path.GetFileName(GatewayProcess.Program));

    private static string Artifacts => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../.."));

    public static async Task<NextGateway> MakeAsync()
    {
        var next = new NextGateway();
        Directory.CreateDirectory(next._folder);
        // Hard links: the folder is some hundred megabytes.
        await CopyAsync(Path.GetDirectoryName(GatewayProcess.Program)!, next._folder);
        var cluster = Path.Combine(next._folder, "cluster");
        var ours = await File.ReadAllBytesAsync(Path.Combine(cluster, "FinerCut.Cluster.dll"));
        Directory.Delete(cluster, recursive: true);
        await CopyAsync(Path.Combine(Artifacts, "NextCluster", new DirectoryInfo(AppContext.BaseDirectory).Name), Directory.CreateDirectory(cluster).FullName);
        var later = System.Text.Encoding.Unicode.GetBytes("of the next version");
        Assert.Equal(-1, ours.AsSpan().IndexOf(later));
        Assert.NotEqual(-1, (await File.ReadAllBytesAsync(Path.Combine(cluster, "FinerCut.Cluster.dll"))).AsSpan().IndexOf(later));
        return next;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task CopyAsync(string from, string to)
    {
        using var copy = Process.Start("cp", ["-al", from + "/.", to]);
        await copy.WaitForExitAsync();
        Assert.Equal(0, copy.ExitCode);
    }
}
