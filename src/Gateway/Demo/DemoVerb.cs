using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using FinerCut.Jobs;
using Spectre.Console;

namespace FinerCut.Gateway.Demo;

/// <summary>
/// The whole loop on the embedded model, through the public endpoints: serve, record, prune, prove, hot-swap under streams. The exit code says
/// whether it all held.
/// </summary>
public static class DemoVerb
{
    /// <param name="settings">--Section:Key value, for the gateway.</param>
    public static Command Create(string[] settings)
    {
        var stay = new Option<bool>("--stay") { Description = "Keep serving afterwards, until Ctrl-C." };
        var port = new Option<int?>("--port") { Description = "Port of the gateway; 0 takes a free one [default: 0, with --stay 8080]", HelpName = "0..65535" };
        port.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is < 0 or > 65535) result.AddError("--port: expected a number from 0 to 65535.");
        });
        var fraction = new Option<double>("--fraction") { Description = "Share of the blocks' bytes to remove, above 0 and below 1.", DefaultValueFactory = _ => 0.01 };
        fraction.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and < 1)) result.AddError("--fraction: expected a number above 0 and below 1.");
        });
        var json = new Option<bool>("--json") { Description = "The job, the requests and whether it all held as JSON on standard output; what people read goes to standard error." };
        var command = new Command("demo", "The whole loop on the embedded model, in a state folder of its own: serve, record, prune, prove, hot-swap. Takes --Section:Key value as serve does.") { stay, port, fraction, json };
        command.SetAction((parsed, _) => RunAsync(
            new DemoOptions(parsed.GetValue(port) ?? (parsed.GetValue(stay) ? 8080 : 0), parsed.GetValue(stay), parsed.GetValue(fraction), parsed.GetValue(json), settings)));
        return command;
    }

    private static async Task<int> RunAsync(DemoOptions options)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-demo-").FullName;
        var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        string[] settings =
        [
            "--State:Path", folder, "--Admin:Key", key, "--Access:LoopbackWithoutKey", "true", "--Listen:Port", options.Port.ToString(CultureInfo.InvariantCulture),
            $"--Models:{DemoRun.Model}:Path", Configuration.GatewayConfigReader.EmbeddedPath,
            $"--Models:{DemoRun.Model}:Sha256", Configuration.GatewayConfigReader.EmbeddedSha256,
            $"--Models:{DemoRun.Model}:Recording:Enabled", "true",
            "--Logging:LogLevel:Default", "Warning", .. options.Settings,
        ];
        try
        {
            return await RunningGateway.RunAsync(settings, async gateway =>
            {
                // Without a terminal Spectre wraps at 80 columns; logs are wider.
                var console = options.Json ? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }) : AnsiConsole.Console;
                if (options.Json ? Console.IsErrorRedirected : Console.IsOutputRedirected) console.Profile.Width = 160;
                var screen = new DemoScreen(console, TimeProvider.System);
                var run = new DemoRun(new Uri(gateway.Address), key, screen);
                var code = await run.RunAsync(options.Fraction, gateway.Stopping);
                if (options.Json) Console.WriteLine(run.ToJson(code == ExitCode.Success).ToJsonString());
                if (options.Stay && !gateway.Stopping.IsCancellationRequested)
                {
                    screen.Line($"\nStill serving on [bold]{gateway.Address}[/] (model {DemoRun.Model}, admin key {key}). Ctrl-C ends it.");
                    await gateway.WaitForShutdownAsync();
                }

                return code;
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed record DemoOptions(int Port, bool Stay, double Fraction, bool Json, string[] Settings);
}
