using System.Diagnostics;
using System.Text.Json;

namespace FinerCut.Tests.Deploy;

/// <summary>Dockerfile and compose.yaml against rules and schema, without a container engine (npm/check.mjs).</summary>
public sealed class ImageFilesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-deploy-").FullName;

    [Fact]
    public async Task They_have_no_faults() => Assert.Empty(await FaultsAsync(Checkout.In("Dockerfile"), Checkout.In("compose.yaml")));

    [Theory]
    [InlineData("Dockerfile", "FROM ubuntu:26.04 AS source", "FROM ubuntu AS source", "ubuntu has no tag of its own")]
    [InlineData("Dockerfile", "USER 10001:10001", "USER finercut", "runs as finercut")]
    [InlineData("Dockerfile", "FINERCUT_Access__LoopbackWithoutKey=false", "FINERCUT_Access__Key=fc-1", "a secret in the image")]
    [InlineData("Dockerfile", "HEALTHCHECK", "# HEALTHCHECK", "has no HEALTHCHECK")]
    [InlineData("Dockerfile", " && rm -rf /var/lib/apt/lists/*", "", "lists of apt")]
    [InlineData("Dockerfile", "WORKDIR /source", "WORKDRI /source", "Unknown instruction")]
    [InlineData("compose.yaml", "read_only: true", "read_onyl: true", "read_onyl")]
    [InlineData("compose.yaml", "127.0.0.1:8080:8080", "8080:8080", "opens 8080:8080 to everybody")]
    [InlineData("compose.yaml", "- state:/state", "- stat:/state", "mounts stat")]
    public async Task A_fault_is_found(string file, string right, string wrong, string fault)
    {
        var text = await File.ReadAllTextAsync(Checkout.In(file));
        Assert.Contains(right, text, StringComparison.Ordinal);
        var changed = Path.Combine(_folder, file);
        await File.WriteAllTextAsync(changed, text.Replace(right, wrong, StringComparison.Ordinal));
        var faults = file == "Dockerfile" ? await FaultsAsync(changed, Checkout.In("compose.yaml")) : await FaultsAsync(Checkout.In("Dockerfile"), changed);
        Assert.Contains(faults, line => line.Contains(fault, StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static async Task<string[]> FaultsAsync(string dockerfile, string compose)
    {
        using var node = Process.Start(new ProcessStartInfo("node", [Checkout.In("tests/Deploy.Tests/npm/check.mjs"), dockerfile, compose])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = node.StandardError.ReadToEndAsync();
        var output = await node.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(1));
        await node.WaitForExitAsync();
        Assert.True(node.ExitCode == 0, await errors);
        return JsonSerializer.Deserialize<string[]>(output)!;
    }
}
