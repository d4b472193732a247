using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using FinerCut.Worker.Adapters;
using FinerCut.Worker.Anthropic;
using FinerCut.Worker.Embeddings;
using FinerCut.Worker.LlamaServer;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Ranking;
using FinerCut.Worker.Responses;
using FinerCut.Worker.Telemetry;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace FinerCut.Worker.Serving;

/// <summary>The HTTP side: routes, keys and the one place where errors become responses.</summary>
internal sealed class WorkerServer : IAsyncDisposable
{
    private static readonly TimeSpan StopTime = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;

    private WorkerServer(WebApplication app) => _app = app;

    public IServiceProvider Services => _app.Services;

    /// <summary>Base address, once started.</summary>
    public string Listening => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    public static WorkerServer Create(ServeConfig config, WorkerState state, WorkerMeters meters, TimeProvider clock)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = config.MaxBodyBytes;
            kestrel.Listen(config.Address, config.Port);
        });
        builder.Services.AddRoutingCore();
        // Signals belong to the serve verb, which drains first.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("FinerCut.Runtime", LogLevel.Warning);
        if (config.Supervised) builder.Logging.AddJsonConsole();
        else builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        // Standard output carries the serve line alone.
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        var app = builder.Build();
        var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("FinerCut.Worker.Http");
        app.Use((http, next) => AnswerAsync(http, next, config, state.Wakefulness, logger));
        app.UseRouting();
        Map(app, state, meters, clock, config.Engine.SlotFolder);
        return new WorkerServer(app);
    }

    public Task StartAsync(CancellationToken stop) => _app.StartAsync(stop);

    public async Task StopAsync()
    {
        using var deadline = new CancellationTokenSource(StopTime);
        await _app.StopAsync(deadline.Token);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static void Map(WebApplication app, WorkerState state, WorkerMeters meters, TimeProvider clock, string? slotFolder)
    {
        var info = new InfoEndpoints(state, meters, clock);
        var completions = new CompletionEndpoints(state, clock);
        var tokens = new TokenEndpoints(state);
        var messages = new MessagesEndpoints(state, clock);
        var native = new NativeEndpoints(state, clock);
        var slots = new SlotEndpoints(state, slotFolder, clock);
        var adapters = new AdapterEndpoints(state);
        var embeddings = new EmbeddingEndpoint(state);
        Get(slots.ListAsync, "/slots");
        Post(slots.ActAsync, "/slots/{id}");
        Get(adapters.ListAsync, "/lora-adapters");
        Post(adapters.SetAsync, "/lora-adapters");
        Post(native.CompleteAsync, "/completion", "/completions");
        Post(native.InfillAsync, "/infill");
        Post(new RankEndpoint(state).RankAsync, "/rerank", "/v1/rerank", "/reranking", "/v1/reranking");
        Get(info.HealthAsync, "/health", "/v1/health");
        Get(info.PropsAsync, "/props");
        Get(info.ModelsAsync, "/v1/models", "/models");
        Get(info.MetricsAsync, "/metrics");
        Get(info.SequencesAsync, "/v1/worker/sequences");
        Post(completions.ChatAsync, "/v1/chat/completions", "/chat/completions");
        Post(completions.TextAsync, "/v1/completions");
        Post(new ResponsesEndpoint(state, clock).ResponsesAsync, "/v1/responses", "/responses");
        Post(embeddings.EmbedAsync, "/v1/embeddings");
        Post(embeddings.EmbedBareAsync, "/embedding", "/embeddings");
        Post(messages.MessagesAsync, "/v1/messages");
        Post(messages.CountTokensAsync, "/v1/messages/count_tokens");
        Post(tokens.TokenizeAsync, "/tokenize");
        Post(tokens.DetokenizeAsync, "/detokenize");
        Post(tokens.ApplyTemplateAsync, "/apply-template");
        Post(tokens.CountAsync, "/v1/chat/completions/input_tokens", "/chat/completions/input_tokens");

        void Get(RequestDelegate handler, params ReadOnlySpan<string> paths)
        {
            foreach (var path in paths) app.MapGet(path, handler);
        }

        void Post(RequestDelegate handler, params ReadOnlySpan<string> paths)
        {
            foreach (var path in paths) app.MapPost(path, handler);
        }
    }

    private static async Task AnswerAsync(HttpContext http, RequestDelegate next, ServeConfig config, Wakefulness wakefulness, ILogger logger)
    {
        http.Response.Headers["x-finercut-version"] = config.Version;
        try
        {
            var key = KeyOf(http.Request, config.ApiKeys);
            if (key >= 0 && !config.KeyWeights.IsEmpty) KeyWeight.Set(http, config.KeyWeights[key]);
            if (key < 0 && !config.ApiKeys.IsEmpty && !IsPublic(http.Request.Path))
            {
                http.Response.Headers.WWWAuthenticate = "Bearer";
                throw new ApiException(new ApiError(401, "authentication_error", "Invalid API key. Send it as Authorization: Bearer KEY, or X-Api-Key.", null, "invalid_api_key"));
            }

            if (NeedsModel(http.Request)) await WithModelAsync(http, next, wakefulness);
            else await next(http);
            // The router answers unknown paths, and known ones with a wrong method, by a status without a body.
            if (http.Response.HasStarted || http.Response.StatusCode < 400 || http.Response.ContentLength > 0) return;
            throw new ApiException(http.Response.StatusCode == StatusCodes.Status405MethodNotAllowed
                ? new ApiError(405, "invalid_request_error", $"{http.Request.Path} does not take {http.Request.Method}.", null, "method_not_allowed")
                : new ApiError(404, "not_found_error", $"There is no endpoint {http.Request.Method} {http.Request.Path}.", null, "not_found"));
        }
        catch (ApiException exception) when (!http.Response.HasStarted)
        {
            await http.WriteErrorAsync(exception.Error);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client went; there is nobody to answer.
        }
        catch (BadHttpRequestException exception) when (!http.Response.HasStarted)
        {
            await http.WriteErrorAsync(new ApiError(exception.StatusCode, "invalid_request_error", exception.Message, null, "bad_request"));
        }
        catch (Exception exception) when (!http.Response.HasStarted)
        {
            logger.LogError(exception, "{Method} {Path} failed", http.Request.Method, http.Request.Path);
            await http.WriteErrorAsync(ApiError.Server("The server failed; its log says why."));
        }
        catch (Exception exception)
        {
            logger.LogError(exception, "{Method} {Path} failed after its answer had begun", http.Request.Method, http.Request.Path);
            http.Abort();
        }
    }

    /// <summary>What only tells of the worker does not wake it.</summary>
    private static bool NeedsModel(HttpRequest request) =>
        HttpMethods.IsPost(request.Method) || request.Path.Equals("/slots", StringComparison.Ordinal) || request.Path.Equals("/lora-adapters", StringComparison.Ordinal);

    private static async Task WithModelAsync(HttpContext http, RequestDelegate next, Wakefulness wakefulness)
    {
        var awake = wakefulness.EnterAsync(http.RequestAborted);
        try
        {
            await awake;
            await next(http);
        }
        finally
        {
            wakefulness.Leave();
        }
    }

    private static bool IsPublic(PathString path) => path.Equals("/health", StringComparison.Ordinal) || path.Equals("/v1/health", StringComparison.Ordinal);

    /// <summary>Which of the keys was sent; -1 = none of them. Takes the same time whichever it is.</summary>
    private static int KeyOf(HttpRequest request, ImmutableArray<string> keys)
    {
        if (keys.IsEmpty) return -1;
        var given = request.Headers.Authorization.ToString();
        if (given.Length == 0) given = request.Headers["X-Api-Key"].ToString();
        if (given.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) given = given["Bearer ".Length..];
        var bytes = SHA256.HashData(Encoding.UTF8.GetBytes(given.Trim()));
        var found = -1;
        for (var i = 0; i < keys.Length; i++)
        {
            if (CryptographicOperations.FixedTimeEquals(bytes, SHA256.HashData(Encoding.UTF8.GetBytes(keys[i])))) found = i;
        }

        return found;
    }

    internal sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
