using System.CommandLine;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Configuration;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary>The gateway refused, or could not be reached; the message is for people and says what to do.</summary>
public sealed class RemoteGatewayException(string message, int exitCode) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>A running gateway's admin endpoints, as the options of a command name it.</summary>
public sealed class RemoteGateway : IDisposable
{
    private const string AddressVariable = "FCG_URL";
    private const string KeyVariable = "FCG_ADMIN_KEY";

    public static readonly Option<Uri?> Address = new("--url")
    {
        Description = $"Base address of the gateway [default: {AddressVariable}, else http://127.0.0.1:8080]", Recursive = true, CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var address) && address.Scheme is "http" or "https") return address;
            result.AddError($"--url {result.Tokens[0].Value}: expected an address such as http://127.0.0.1:8080.");
            return null;
        },
    };

    public static readonly Option<string?> Key = new("--admin-key") { Description = $"Admin key [default: {KeyVariable}, else state/admin.key of the settings here]", Recursive = true };

    public static readonly Option<bool> Json = new("--json") { Description = "Print the gateway's JSON answer.", Recursive = true };

    private readonly HttpClient _http;

    private RemoteGateway(Uri address, string? key)
    {
        _http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(10) };
        if (key is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>A group of commands with the options that name the gateway.</summary>
    public static Command Group(string name, string description, params Command[] commands)
    {
        var group = new Command(name, description) { Address, Key, Json };
        foreach (var command in commands) group.Add(command);
        return group;
    }

    /// <summary>Makes the action of a command: what goes wrong is one line on standard error.</summary>
    public static void Act(Command command, Func<ParseResult, RemoteGateway, CancellationToken, Task<int>> act) => command.SetAction(async (parsed, cancellationToken) =>
    {
        try
        {
            using var gateway = new RemoteGateway(
                parsed.GetValue(Address) ?? new Uri(Environment.GetEnvironmentVariable(AddressVariable) ?? "http://127.0.0.1:8080"),
                parsed.GetValue(Key) ?? Environment.GetEnvironmentVariable(KeyVariable) ?? KeyOfSettings());
            return await act(parsed, gateway, cancellationToken);
        }
        catch (RemoteGatewayException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return exception.ExitCode;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or System.Text.Json.JsonException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            await Console.Error.WriteLineAsync($"The gateway's answer broke off or is none of a gateway's: {exception.Message} A job goes on when the gateway is back; finercut jobs list shows it.");
            return ExitCode.Unreachable;
        }
        catch (UriFormatException exception)
        {
            await Console.Error.WriteLineAsync($"{AddressVariable}: {exception.Message}");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    });

    /// <exception cref="RemoteGatewayException">Refused or unreachable.</exception>
    public async Task<JsonNode?> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri("/admin/" + path, UriKind.Relative));
        if (body is not null) request.Content = JsonContent.Create(body);
        using var response = await OpenAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    public Task<JsonNode?> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, null, cancellationToken);

    public Task<JsonNode?> PostAsync(string path, JsonNode body, CancellationToken cancellationToken) => SendAsync(HttpMethod.Post, path, body, cancellationToken);

    /// <summary>Server-sent events; the caller disposes the answer.</summary>
    public Task<HttpResponseMessage> StreamAsync(string path, CancellationToken cancellationToken) =>
        OpenAsync(new HttpRequestMessage(HttpMethod.Get, new Uri("/admin/" + path, UriKind.Relative)), HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, completion, cancellationToken);
        }
        catch (HttpRequestException exception)
        {
            throw new RemoteGatewayException($"The gateway at {_http.BaseAddress} cannot be reached ({exception.Message}). Is it running? --url names another.", ExitCode.Unreachable);
        }

        if (response.IsSuccessStatusCode) return response;
        using (response)
        {
            throw new RemoteGatewayException(await MessageAsync(response, cancellationToken), (int)response.StatusCode is 400 or 401 or 403 or 404 ? ExitCode.BadInput : ExitCode.Failed);
        }
    }

    private static async Task<string> MessageAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            var error = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken))?["error"];
            return $"{error?["message"]?.GetValue<string>()} ({error?["code"]?.GetValue<string>()})";
        }
        catch (System.Text.Json.JsonException)
        {
            return $"The gateway answered {(int)response.StatusCode}.";
        }
    }

    private static string? KeyOfSettings()
    {
        try
        {
            var contentRoot = Directory.GetCurrentDirectory();
            var settings = SettingsSources.Load(contentRoot, []);
            if (settings["Admin:Key"] is { Length: > 0 } key) return key;
            var file = Path.Combine(contentRoot, settings["State:Path"] ?? "state", "admin.key");
            return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
        }
        catch (Exception exception) when (exception is ConfigException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
