using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Docs;

/// <summary>
/// Every command in README.md and docs/ is run as it stands there: shell in order, page by page, against the gateway of the collection (at its own address), JavaScript by
/// Node with the clients' packages, Python where the package openai is installed (else it is compiled only). What cannot be
/// run here says why in a comment before its block: <c>&lt;!-- not run: why --&gt;</c>; what runs on is ended: <c>&lt;!-- stopped after 3 s --&gt;</c>.
/// </summary>
[Collection(LeanGateway.Collection)]
public sealed partial class DocsTests(LeanGateway lean)
{
    public static TheoryData<string> Pages { get; } = [.. DocPage.Names(Checkout.Root)];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Commands_do_what_the_page_says(string name)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var blocks = DocPage.Read(Checkout.Root, name).Blocks.Where(block => block.Language == "sh" && !IsLeftOut(block)).ToArray();
        if (blocks.Length == 0) return;
        using var folder = new TempFolder();
        File.CreateSymbolicLink(folder["models"], Path.Combine(Checkout.Root, "models"));
        File.CreateSymbolicLink(folder["docs"], Path.Combine(Checkout.Root, "docs"));
        File.CreateSymbolicLink(folder["finercut"], Checkout.Gateway);
        var script = new StringBuilder($"""
            set -eo pipefail
            export PATH="{folder.Path}:$PATH" FINERCUT_Listen__Port=0 FCG_URL={lean.Gateway.Address.ToString().TrimEnd('/')} FCG_ADMIN_KEY={GatewayProcess.AdminKey} ADMIN_KEY={GatewayProcess.AdminKey}
            curl() {"{"} command curl --silent --show-error --fail-with-body --max-time 600 "$@"; {"}"}

            """);
        foreach (var block in blocks)
        {
            script.Append("echo '== line ").Append(block.Line).Append("' >&2\n");
            script.Append(block.Mark is { } mark ? $"""
                timeout --signal=INT --kill-after=5 {Known().Match(mark).Groups[1].Value} bash -c {Quoted(Here(block.Text))} && code=0 || code=$?
                case $code in 0|3|124) ;; *) exit $code ;; esac
                """ : Here(block.Text)).Append('\n');
        }

        await File.WriteAllTextAsync(folder["page.sh"], script.ToString(), cancellationToken);
        await using var shell = ChildProcess.Start("bash", [folder["page.sh"]], folder.Path);
        var code = await shell.WaitForExitAsync(cancellationToken, TimeSpan.FromMinutes(20));
        await EndJobsAsync(cancellationToken);
        Assert.True(code == 0, $"{name} ended with {code}\n{shell.Output}\n{shell.Errors}\n{lean.Gateway.Process.Errors}");
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task Programs_run(string name)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        foreach (var block in DocPage.Read(Checkout.Root, name).Blocks.Where(block => block.Language is "js" or "python" && !IsLeftOut(block)))
        {
            var isScript = block.Language == "js";
            using var folder = new TempFolder();

            // Node looks for packages from where the program lies.
            var home = isScript ? Path.Combine(Checkout.Root, "tests", "FunctionalTests", "JsClients", "node_modules", ".docs") : folder.Path;
            Directory.CreateDirectory(home);
            var file = Path.Combine(home, $"line{block.Line}.{(isScript ? "mjs" : "py")}");
            await File.WriteAllTextAsync(file, Here(block.Text), cancellationToken);
            string[] arguments = isScript ? [file] : await HasOpenAiAsync(cancellationToken) ? [file] : ["-m", "py_compile", file];
            await using var program = ChildProcess.Start(isScript ? "node" : "python3", arguments);
            var code = await program.WaitForExitAsync(cancellationToken, TimeSpan.FromMinutes(5));
            Assert.True(code == 0, $"{name}:{block.Line}\n{program.Output}\n{program.Errors}");
            File.Delete(file);
        }
    }

    private string Here(string text) => text.Replace("http://127.0.0.1:8080", lean.Gateway.Address.ToString().TrimEnd('/'), StringComparison.Ordinal);

    private static bool IsLeftOut(DocBlock block) => block.Mark?.StartsWith("not run:", StringComparison.Ordinal) == true;

    private static string Quoted(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private static async Task<bool> HasOpenAiAsync(CancellationToken cancellationToken)
    {
        await using var python = ChildProcess.Start("python3", ["-c", "import openai"]);
        return await python.WaitForExitAsync(cancellationToken) == 0;
    }

    /// <summary>What pages began is ended and what they switched off is on, so that the next finds the gateway as it was.</summary>
    private async Task EndJobsAsync(CancellationToken cancellationToken)
    {
        using var recording = await lean.Gateway.Admin.PutAsJsonAsync($"/admin/models/{Checkout.ModelId}/recording", new JsonObject { ["enabled"] = true }, cancellationToken);
        recording.EnsureSuccessStatusCode();
        foreach (var job in (await lean.Gateway.AdminGetAsync("/admin/jobs", cancellationToken))["jobs"]!.AsArray().Where(job => job!["state"]!.GetValue<string>() is "queued" or "running"))
        {
            using var response = await lean.Gateway.Admin.DeleteAsync(new Uri($"/admin/jobs/{job!["id"]}", UriKind.Relative), cancellationToken);
            await lean.Gateway.WaitForAsync($"/admin/jobs/{job["id"]}", view => view["state"]!.GetValue<string>() is not ("queued" or "running"), TimeSpan.FromMinutes(5), cancellationToken);
        }
    }

    [GeneratedRegex(@"^(?:not run: \S.{9,}|stopped after (\d+) s)$")]
    internal static partial Regex Known();
}
