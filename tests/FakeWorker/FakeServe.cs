using System.Text.Json;
using FinerCut.Jobs;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace FinerCut.FakeWorker;

public static class FakeServe
{
    public static async Task<int> RunAsync(IReadOnlyDictionary<string, string> options)
    {
        var version = options["--version-id"];
        var script = Script.Read(version);
        if (script.ExitAtStart is { } code)
        {
            await Console.Error.WriteLineAsync("error: told to end at start");
            return code;
        }

        var key = Environment.GetEnvironmentVariable("LLAMA_API_KEY");
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Parse(options.GetValueOrDefault("--host", "127.0.0.1")), 0));
        builder.Services.AddRouting();
        await using var app = builder.Build();
        var began = TimeProvider.System.GetTimestamp();
        bool Loaded() => TimeProvider.System.GetElapsedTime(began).TotalMilliseconds >= script.LoadMs;
        app.UseRouting();
        app.MapGet("/health", () => Loaded() ? Results.Text("""{"status":"ok"}""") : Results.Text("""{"status":"loading"}""", statusCode: 503));
        app.MapPost("/v1/chat/completions", context => AnswerAsync(context, version, key, Loaded()));
        app.MapPost("/v1/completions", context => AnswerAsync(context, version, key, Loaded()));
        await app.StartAsync();
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Console.WriteLine(JsonSerializer.Serialize(new ServeLine(address), ContractJson.Default.ServeLine));
        if (options.ContainsKey("--supervised")) Supervision.Begin();
        await app.WaitForShutdownAsync();
        return 0;
    }

    private static async Task AnswerAsync(HttpContext context, string version, string? key, bool loaded)
    {
        if (key is not null && context.Request.Headers.Authorization != $"Bearer {key}")
        {
            await FailAsync(context, 401, "wrong key");
            return;
        }

        if (!loaded || Script.Read(version).ChatStatus is not null)
        {
            if (Script.Read(version).RetryAfter is > 0 and var seconds) context.Response.Headers.RetryAfter = $"{seconds}";
            await FailAsync(context, loaded ? Script.Read(version).ChatStatus!.Value : 503, "told to fail");
            return;
        }

        if (Script.Read(version).FirstDelayMs is > 0 and var wait) await Task.Delay(TimeSpan.FromMilliseconds(wait), TimeProvider.System, context.RequestAborted);
        using var body = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        var chat = body.RootElement.TryGetProperty("messages", out var messages);
        var text = chat ? messages[messages.GetArrayLength() - 1].GetProperty("content").GetString()! : body.RootElement.GetProperty("prompt").GetString()!;
        var directives = Directives.Parse(text);
        context.Response.Headers["x-finercut-version"] = version;
        var stream = body.RootElement.TryGetProperty("stream", out var wanted) && wanted.ValueKind == JsonValueKind.True;
        await (stream ? StreamAsync(context, directives, version, chat) : WholeAsync(context, directives, version, chat));
    }

    private static async Task StreamAsync(HttpContext context, Directives directives, string version, bool chat)
    {
        context.Response.ContentType = "text/event-stream";
        for (var i = 0; i < directives.Tokens; i++)
        {
            if (!await BeforeAsync(i, directives, context)) return;
            var choice = chat ? $$"""{"index":0,"delta":{"content":"{{version}}.{{i}} "},"finish_reason":null}""" : $$"""{"index":0,"text":"{{version}}.{{i}} ","finish_reason":null}""";
            await context.Response.WriteAsync($"data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{choice}]}}\n\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }

        var last = chat ? """{"index":0,"delta":{},"finish_reason":"stop"}""" : """{"index":0,"text":"","finish_reason":"stop"}""";
        await context.Response.WriteAsync($"data: {{\"id\":\"c\",\"choices\":[{last}]}}\n\ndata: [DONE]\n\n", context.RequestAborted);
    }

    private static async Task WholeAsync(HttpContext context, Directives directives, string version, bool chat)
    {
        for (var i = 0; i < directives.Tokens; i++)
        {
            if (!await BeforeAsync(i, directives, context)) return;
        }

        var text = string.Concat(Enumerable.Range(0, directives.Tokens).Select(i => $"{version}.{i} "));
        var choice = chat ? $$"""{"index":0,"message":{"role":"assistant","content":"{{text}}"},"finish_reason":"stop"}""" : $$"""{"index":0,"text":"{{text}}","finish_reason":"stop"}""";
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$$"""{"id":"c","object":"chat.completion","model":"m","choices":[{{{choice}}}],"usage":{"prompt_tokens":3,"completion_tokens":{{{directives.Tokens}}},"total_tokens":{{{directives.Tokens + 3}}}}}""", context.RequestAborted);
    }

    /// <summary>False when the answer has been ended here.</summary>
    private static async Task<bool> BeforeAsync(int token, Directives directives, HttpContext context)
    {
        if (directives.Delay > 0) await Task.Delay(TimeSpan.FromMilliseconds(directives.Delay), TimeProvider.System, context.RequestAborted);
        if (token == directives.Die)
        {
            // As a native abort would: no clean-up, nothing flushed.
            System.Diagnostics.Process.GetCurrentProcess().Kill();
            await Task.Delay(Timeout.Infinite);
        }

        if (token == directives.Hang) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        if (token != directives.Error) return true;
        await context.Response.WriteAsync("data: {\"error\":{\"message\":\"told to fail\",\"type\":\"server_error\",\"code\":\"fake\"}}\n\n", context.RequestAborted);
        return false;
    }

    private static async Task FailAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$$"""{"error":{"message":"{{{message}}}","type":"server_error","code":"fake"}}""");
    }
}
