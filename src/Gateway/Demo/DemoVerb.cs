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
    private const string Usage = """
        demo [options] [--Section:Key value …]: the whole loop on the embedded model, in a state folder of its own.

          --stay               keep serving afterwards, until Ctrl-C
          --port N             port of the gateway (default: a free one; 8080 with --stay)
          --fraction F         share of the blocks' bytes to remove (default 0.01)
          --help               this text
        """;

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (!TryParse(arguments, out var options, out var problem))
        {
            if (problem is null)
            {
                Console.WriteLine(Usage);
                return ExitCode.Success;
            }

            await Console.Error.WriteLineAsync($"{problem}\n\n{Usage}");
            return ExitCode.BadInput;
        }

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
                if (Console.IsOutputRedirected) AnsiConsole.Profile.Width = 160;
                var screen = new DemoScreen(AnsiConsole.Console, TimeProvider.System);
                var code = await new DemoRun(new Uri(gateway.Address), key, screen).RunAsync(options.Fraction, gateway.Stopping);
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

    /// <summary>False with a null problem asks for the usage.</summary>
    private static bool TryParse(string[] arguments, out DemoOptions options, out string? problem)
    {
        options = new DemoOptions(0, false, 0.01, []);
        problem = null;
        int? port = null;
        for (var index = 0; index < arguments.Length; index++)
        {
            var value = index + 1 < arguments.Length ? arguments[index + 1] : "";
            switch (arguments[index])
            {
                case "--help" or "-h":
                    return false;
                case "--stay":
                    options = options with { Stay = true };
                    break;
                case "--port" when int.TryParse(value, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 65535:
                    port = number;
                    index++;
                    break;
                case "--fraction" when double.TryParse(value, CultureInfo.InvariantCulture, out var fraction) && fraction is > 0 and < 1:
                    options = options with { Fraction = fraction };
                    index++;
                    break;
                case ['-', '-', .. var setting] when setting.Contains(':', StringComparison.Ordinal):
                    options = options with { Settings = [.. options.Settings, arguments[index], value] };
                    index++;
                    break;
                case "--port":
                    problem = $"--port \"{value}\": expected a number from 0 to 65535.";
                    return false;
                case "--fraction":
                    problem = $"--fraction \"{value}\": expected a number above 0 and below 1.";
                    return false;
                default:
                    problem = $"\"{arguments[index]}\" is no option of demo.";
                    return false;
            }
        }

        options = options with { Port = port ?? (options.Stay ? 8080 : 0) };
        return true;
    }

    private sealed record DemoOptions(int Port, bool Stay, double Fraction, string[] Settings);
}
