using System.Diagnostics;
using System.Text.Json;
using FinerCut.Tests.Access;
using FinerCut.Tests.Cluster.Processes;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Ui;

/// <summary>The admin page's view of the cluster in a real browser (Debian's Chromium, driven by npm/cluster.mjs). Screenshots are left in artifacts/screenshots.</summary>
[Collection(PostgresCollection.Name)]
public class ClusterPageTests(PostgresServer postgres)
{
    private const string Chromium = "/usr/bin/chromium";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task The_view_shows_machines_with_their_memory_workers_models_and_jobs()
    {
        Assert.SkipUnless(File.Exists(Chromium) || Environment.GetEnvironmentVariable("CI") is not null, $"{Chromium} is not installed (Debian's package chromium).");
        await using var machines = await ThreeMachines.StartAsync(postgres, replicas: 2, cluster: section => section["Dashboard"] = true);
        await Eventually.BeAsync(async () => await ThreeMachines.ReadyAsync(machines.Edge) == 2, () => machines.Logs);
        // Long enough to be seen at work; it ends with its machines.
        foreach (var machine in (GatewayProcess[])[machines.Both, machines.Host]) machine.Script("""{"pruneSteps":1000,"pruneStepMs":1000}""");
        var job = await machines.Both.OrderJobAsync();
        var shots = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "../../../screenshots")).FullName;
        using var browser = Process.Start(new ProcessStartInfo("node", [Script]) { RedirectStandardInput = true, RedirectStandardError = true })!;
        await browser.StandardInput.WriteAsync(JsonSerializer.Serialize(new
        {
            address = machines.Edge.Client.BaseAddress!.ToString().TrimEnd('/'), adminKey = GatewayProcess.AdminKey, model = GatewayProcess.Model, job, shots,
        }));
        browser.StandardInput.Close();
        var errors = browser.StandardError.ReadToEndAsync();
        try
        {
            await browser.WaitForExitAsync().WaitAsync(Patience);
        }
        finally
        {
            if (!browser.HasExited) browser.Kill(entireProcessTree: true);
        }

        Assert.True(browser.ExitCode == 0, await errors + machines.Logs);
    }

    private static string Script
    {
        get
        {
            for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            {
                var found = Path.Combine(folder.FullName, "tests/Cluster.Tests/Ui/npm/cluster.mjs");
                if (File.Exists(found)) return found;
            }

            throw new FileNotFoundException("tests/Cluster.Tests/Ui/npm/cluster.mjs above the test's folder");
        }
    }
}
