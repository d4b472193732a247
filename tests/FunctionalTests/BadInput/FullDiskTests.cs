using System.Diagnostics;
using System.Text.Json.Nodes;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.BadInput;

/// <summary>A job whose lean file does not fit on the disk: refused before the first byte, the route goes on.</summary>
[Collection(LeanGateway.Collection)]
public class FullDiskTests(LeanGateway lean)
{
    [Fact]
    public async Task A_full_disk_fails_the_job_clearly_and_loses_nothing()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var versions = Path.Combine(lean.StateFolder, "versions", Checkout.ModelId);
        var before = await lean.ActiveAsync(cancellationToken);
        if (before != "full") await lean.PromoteAsync("full", cancellationToken);
        using var mount = SmallDisk.Over(versions, megabytes: 40);
        if (mount is null) Assert.Skip("Mounting a small file system needs root.");
        var job = await lean.PruneAsync(
            new JsonObject { ["healing"] = "none", ["budget"] = new JsonObject { ["sublayers"] = 1 }, ["max_calibration_tokens"] = 160, ["max_held_out_tokens"] = 160, ["min_tokens"] = 64, ["max_sequence_tokens"] = 40 },
            cancellationToken);
        Assert.Equal("failed", job["state"]!.GetValue<string>());
        Assert.Equal("disk_full", job["error"]!["code"]!.GetValue<string>());
        Assert.Equal("full", await lean.ActiveAsync(cancellationToken));
        Assert.Empty(Directory.EnumerateFiles(versions));
        await lean.Gateway.ChatAsync("Say hello.", cancellationToken);
    }

    /// <summary>A tmpfs over a folder while it lives.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string _folder;

        private SmallDisk(string folder) => _folder = folder;

        public static SmallDisk? Over(string folder, int megabytes)
        {
            Directory.CreateDirectory(folder);
            return Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", folder) ? new SmallDisk(folder) : null;
        }

        public void Dispose() => Run("umount", "-l", _folder);

        private static bool Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
    }
}
