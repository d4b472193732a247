using System.CommandLine;
using System.Net;
using FinerCut.Gateway.Configuration;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary><c>health</c>: asks the gateway of these settings how it is. For a container's HEALTHCHECK, whose image has no other client.</summary>
internal static class HealthCommand
{
    public static Command Create()
    {
        var url = new Option<Uri?>("--url")
        {
            Description = "Base address of the gateway [default: this machine, at the port of the settings here]", CustomParser = result =>
            {
                if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https") return address;
                result.AddError($"--url {result.Tokens[0].Value}: expected an address such as http://127.0.0.1:8080.");
                return null;
            },
        };
        var live = new Option<bool>("--live") { Description = "Ask only whether the process answers (/livez), not whether all models are ready (/health)." };
        var patience = new Option<int>("--timeout") { Description = "Seconds to wait for the answer.", DefaultValueFactory = _ => 5 };
        patience.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 600) result.AddError("--timeout must be a whole number from 1 to 600.");
        });
        var command = new Command("health", "Says how a gateway is, exit code 0 if well.") { url, live, patience };
        command.SetAction((parsed, cancellationToken) => AskAsync(
            parsed.GetValue(url), parsed.GetValue(live) ? "/livez" : "/health", TimeSpan.FromSeconds(parsed.GetValue(patience)), cancellationToken));
        return command;
    }

    private static async Task<int> AskAsync(Uri? url, string path, TimeSpan patience, CancellationToken cancellationToken)
    {
        Uri address;
        try
        {
            address = new Uri(url ?? OfSettings(), path);
        }
        catch (Exception exception) when (exception is ConfigException or UriFormatException)
        {
            await Console.Error.WriteLineAsync($"The gateway's address is not known: {exception.Message}");
            return ExitCode.BadInput;
        }

        try
        {
            using var http = new HttpClient { Timeout = patience };
            using var response = await http.GetAsync(address, cancellationToken);
            var body = (await response.Content.ReadAsStringAsync(cancellationToken)).Trim();
            await (response.IsSuccessStatusCode ? Console.Out : Console.Error).WriteLineAsync(body);
            return response.IsSuccessStatusCode ? ExitCode.Success : ExitCode.Failed;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"{address} does not answer: {exception.Message}");
            return ExitCode.Unreachable;
        }
    }

    /// <summary>A gateway that listens on all addresses of its machine is asked at loopback.</summary>
    private static Uri OfSettings()
    {
        var settings = SettingsSources.Load(Directory.GetCurrentDirectory(), []);
        var host = settings["Listen:Address"] is { } text && IPAddress.TryParse(text, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
            ? address
            : IPAddress.Loopback;
        return new UriBuilder(Uri.UriSchemeHttp, host.ToString(), int.TryParse(settings["Listen:Port"], out var port) ? port : 8080).Uri;
    }
}
