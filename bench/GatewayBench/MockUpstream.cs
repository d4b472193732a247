using System.Buffers.Text;
using System.Diagnostics;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace FinerCut.GatewayBench;

/// <summary>An upstream that costs next to nothing: a short answer at once, or chunks at a pace, each with the timestamp at which it was sent.</summary>
internal static class MockUpstream
{
    public const int PaceMs = 25;

    private static readonly Pacer Pace = new();
    private static readonly byte[] Answer = Encoding.UTF8.GetBytes("""{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}""");

    public static async Task<int> RunAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        await using var app = builder.Build();
        app.Run(AnswerAsync);
        await app.StartAsync();
        Console.WriteLine($$"""{"listening":"{{app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()}}"}""");
        using var input = Console.OpenStandardInput();
        while (await input.ReadAsync(new byte[64]) > 0)
        {
        }

        return 0;
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        if (!HttpMethods.IsPost(context.Request.Method)) return;
        var body = new byte[4096];
        var length = 0;
        for (int read; (read = await context.Request.Body.ReadAsync(body.AsMemory(length))) > 0;) length += read;
        if (body.AsSpan(0, length).IndexOf("\"stream\":true"u8) < 0)
        {
            context.Response.ContentType = "application/json";
            context.Response.ContentLength = Answer.Length;
            await context.Response.Body.WriteAsync(Answer);
            return;
        }

        var at = body.AsSpan(0, length).IndexOf("\"max_tokens\":"u8) + 13;
        if (!Utf8Parser.TryParse(body.AsSpan(at), out int chunks, out _)) throw new InvalidOperationException("The client says no number of chunks.");
        context.Response.ContentType = "text/event-stream";
        var buffer = new byte[64];
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < chunks; i++)
        {
            if (i > 0) await Pace.UntilAsync(began + (i * PaceMs * Stopwatch.Frequency / 1000));
            "data: "u8.CopyTo(buffer);
            Utf8Formatter.TryFormat(Stopwatch.GetTimestamp(), buffer.AsSpan(6), out var written);
            "\n\n"u8.CopyTo(buffer.AsSpan(6 + written));
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, 8 + written));
            await context.Response.Body.FlushAsync();
        }

        await context.Response.Body.WriteAsync("data: [DONE]\n\n"u8.ToArray());
    }
}
