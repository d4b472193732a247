using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace FinerCut.Tests.Deploy;

/// <summary>
/// What the image starts, as it is started there: its entry point and environment, user 10001, no capabilities, a root file system that nobody can write, a folder for
/// temporary files and one for state. A mount namespace stands in for the container; /mnt and /srv in it for /state and /tmp, below which the checkout may lie.
/// </summary>
public sealed partial class ReadOnlyRootTests : IDisposable
{
    private const string Key = "fc-readonly-0123456789abcdef";
    private readonly string _state = Directory.CreateTempSubdirectory("finercut-state-").FullName;

    [Fact]
    public async Task It_serves_checks_itself_and_writes_its_state_only()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && await CanIsolateAsync(), "Needs to be root, and mount namespaces.");
        var dockerfile = await File.ReadAllTextAsync(Checkout.In("Dockerfile"));
        var entry = EntryPoint().Match(dockerfile).Groups[1].Value;
        Assert.True(File.Exists(Path.Combine(Checkout.App, entry)), $"The image starts /app/{entry}, and no such program is built.");
        await ShellAsync($"chown 10001:10001 '{_state}' && chmod 700 '{_state}'");

        using var gateway = Start($"exec '{Checkout.App}/{entry}' --Listen:Port 0 --Models:smollm2-135m:Threads 1 --Models:smollm2-135m:ContextSize 512");
        try
        {
            var address = await ListeningAsync(gateway);
            using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(2) };
            await ReadyAsync(http);
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/v1/models")).StatusCode);
            http.DefaultRequestHeaders.Authorization = new("Bearer", Key);
            var answer = await http.PostAsJsonAsync("/v1/chat/completions", new { model = "smollm2-135m", max_tokens = 4, messages = new[] { new { role = "user", content = "Hello" } } });
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["usage"]!["completion_tokens"]!.GetValue<int>() > 0);

            // The health check of the image, but for the port, which is any free one here.
            var check = HealthCheck().Match(dockerfile).Groups[1].Value.Split(',').Select(word => word.Trim(' ', '"').Replace("/app", Checkout.App, StringComparison.Ordinal));
            using var health = Start($"FINERCUT_Listen__Port={address.Port} exec {string.Join(' ', check.Select(word => $"'{word}'"))}");
            await health.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            Assert.Equal(0, health.ExitCode);

            using var touch = Start($"touch '{Checkout.App}/x' /x || exit 33");
            await touch.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            Assert.Equal(33, touch.ExitCode);

            Assert.NotEmpty(Directory.EnumerateFileSystemEntries(_state));
            await ShellAsync($"kill -TERM {gateway.Id}");
            await gateway.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
            Assert.Equal(0, gateway.ExitCode);
        }
        finally
        {
            if (!gateway.HasExited) gateway.Kill(entireProcessTree: true);
        }
    }

    public void Dispose() => Directory.Delete(_state, recursive: true);

    /// <summary>Runs a line as the image's user, in a mount namespace with / read-only.</summary>
    private Process Start(string line)
    {
        var start = new ProcessStartInfo("unshare", ["--mount", "sh", "-c", $"""
            mount --make-rprivate / &&
            mount --bind '{_state}' /mnt && mount -t tmpfs -o size=64m,mode=1777 tmpfs /srv && mount -o remount,bind,ro / &&
            cd '{Checkout.App}' && exec setpriv --reuid 10001 --regid 10001 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs sh -c "$0"
            """, line])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (Match variable in Variable().Matches(Environments().Match(File.ReadAllText(Checkout.In("Dockerfile"))).Groups[1].Value))
            start.Environment[variable.Groups[1].Value] = variable.Groups[2].Value.Replace("/state", "/mnt", StringComparison.Ordinal);
        start.Environment["FINERCUT_Access__Key"] = Key;
        start.Environment["HOME"] = "/mnt";
        start.Environment["TMPDIR"] = "/srv";
        return Process.Start(start)!;
    }

    private static async Task<bool> CanIsolateAsync()
    {
        if (!Environment.IsPrivilegedProcess) return false;
        using var attempt = Process.Start(new ProcessStartInfo("unshare", ["--mount", "sh", "-c", "mount --make-rprivate / && mount -o remount,bind,ro / && setpriv --version"]) { RedirectStandardOutput = true, RedirectStandardError = true });
        await attempt!.WaitForExitAsync();
        return attempt.ExitCode == 0;
    }

    private static async Task<Uri> ListeningAsync(Process gateway)
    {
        var seen = new List<string>();
        _ = gateway.StandardError.ReadToEndAsync();
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await gateway.StandardOutput.ReadLineAsync(late.Token) is { } line)
        {
            seen.Add(line);
            if (Listening().Match(line) is { Success: true } match)
            {
                _ = gateway.StandardOutput.ReadToEndAsync(CancellationToken.None);
                return new UriBuilder("http", "127.0.0.1", int.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).Uri;
            }
        }

        throw new InvalidOperationException($"The gateway ended: {string.Join('\n', seen)}");
    }

    private static async Task ReadyAsync(HttpClient http)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while ((await http.GetAsync("/health", late.Token)).StatusCode != HttpStatusCode.OK) await timer.WaitForNextTickAsync(late.Token);
    }

    private static async Task ShellAsync(string line)
    {
        using var shell = Process.Start("sh", ["-c", line]);
        await shell.WaitForExitAsync();
        Assert.Equal(0, shell.ExitCode);
    }

    [GeneratedRegex("""^ENTRYPOINT \["/app/([^"]+)"\]$""", RegexOptions.Multiline)]
    private static partial Regex EntryPoint();

    [GeneratedRegex("""^HEALTHCHECK .*CMD \[(.+)\]$""", RegexOptions.Multiline)]
    private static partial Regex HealthCheck();

    [GeneratedRegex("^ENV (.+)$", RegexOptions.Multiline)]
    private static partial Regex Environments();

    [GeneratedRegex("([A-Za-z_0-9]+)=([^ ]+)")]
    private static partial Regex Variable();

    [GeneratedRegex("listens on http://[^ ]*?:([0-9]+)")]
    private static partial Regex Listening();
}
