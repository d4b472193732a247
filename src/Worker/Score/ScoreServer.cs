using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;
using FinerCut.Worker.Serving;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace FinerCut.Worker.Score;

/// <summary>The HTTP side of a scorer: POST /score/open and /score/sums, GET /health. Thread-safe.</summary>
internal sealed class ScoreServer : IAsyncDisposable
{
    /// <summary>An opening holds all calibration tokens.</summary>
    private const long LargestBody = 256L << 20;

    private readonly WebApplication _app;
    private readonly byte[]? _key;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource<ScoringHost> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _askedAt;
    private int _underWay;

    /// <param name="key">That callers must send; null: none.</param>
    public ScoreServer(IPAddress address, int port, string? key, TimeProvider time)
    {
        (_key, _time, _askedAt) = (key is null ? null : Encoding.UTF8.GetBytes($"Bearer {key}"), time, time.GetTimestamp());
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = LargestBody;
            kestrel.Listen(address, port);
        });
        builder.Services.AddRoutingCore();
        // Signals belong to the verb.
        builder.Services.AddSingleton<IHostLifetime, WorkerServer.NoLifetime>();
        _app = builder.Build();
        _app.UseRouting();
        _app.MapGet("/health", () => _ready.Task.IsCompleted ? Results.Text("""{"status":"ok"}""", "application/json") : Results.Text("""{"status":"loading model"}""", "application/json", statusCode: 503));
        _app.MapPost("/score/open", context => AnswerAsync(context, ScoreJson.Default.ScoreOpening, ScoreJson.Default.ScoreOpened, (host, opening, stop) => host.Open(opening, stop)));
        _app.MapPost("/score/sums", context => AnswerAsync(context, ScoreJson.Default.ScoreShare, ScoreJson.Default.ScoreSums, (host, share, stop) => host.Sums(share, stop)));
    }

    public string Listening => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    public Task StartAsync(CancellationToken cancellationToken) => _app.StartAsync(cancellationToken);

    public Task StopAsync() => _app.StopAsync(CancellationToken.None);

    public void SetReady(ScoringHost host)
    {
        Volatile.Write(ref _askedAt, _time.GetTimestamp());
        _ready.SetResult(host);
    }

    /// <summary>Completes when nobody has asked for so long, or with the token.</summary>
    /// <param name="longest">Zero: only with the token.</param>
    public async Task IdleAsync(TimeSpan longest, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), _time);
        try
        {
            while (longest == TimeSpan.Zero || Volatile.Read(ref _underWay) > 0 || _time.GetElapsedTime(Volatile.Read(ref _askedAt)) < longest) await timer.WaitForNextTickAsync(stop);
        }
        catch (OperationCanceledException)
        {
            // As good as idle.
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task AnswerAsync<TAsked, TAnswer>(
        HttpContext context, JsonTypeInfo<TAsked> askedType, JsonTypeInfo<TAnswer> answerType, Func<ScoringHost, TAsked, CancellationToken, TAnswer> act)
    {
        if (_key is not null && !CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(context.Request.Headers.Authorization.ToString())), SHA256.HashData(_key)))
        {
            await FailAsync(context, StatusCodes.Status401Unauthorized, "The key is not the scorer's.");
            return;
        }

        Interlocked.Increment(ref _underWay);
        try
        {
            var stop = context.RequestAborted;
            var asked = await JsonSerializer.DeserializeAsync(context.Request.Body, askedType, stop) ?? throw new JsonException("null");
            var host = await _ready.Task.WaitAsync(stop);
            var answer = await Task.Run(() => act(host, asked, stop), stop);
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer, answerType), stop);
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException or BatchScorerException)
        {
            await FailAsync(context, StatusCodes.Status409Conflict, exception.Message);
        }
        catch (Exception exception) when (exception is LlamaException or UnsupportedGraphException)
        {
            await FailAsync(context, StatusCodes.Status500InternalServerError, exception.Message);
        }
        catch (OperationCanceledException)
        {
            // Others were faster: the caller has gone.
        }
        finally
        {
            Volatile.Write(ref _askedAt, _time.GetTimestamp());
            Interlocked.Decrement(ref _underWay);
        }
    }

    private static Task FailAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(new ScoreProblem(message), ScoreJson.Default.ScoreProblem)).AsTask();
    }
}
