using System.Text.Json;
using FinerCut.Jobs;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Worker.ChatTemplates;
using FinerCut.Worker.Telemetry;
using Microsoft.AspNetCore.Connections;

namespace FinerCut.Worker.Serving;

/// <summary>The life of a serving worker: vet, listen, load, serve, drain.</summary>
internal sealed class WorkerProcess(ServeConfig config, TimeProvider clock)
{
    private readonly WorkerState _state = new(new Wakefulness(config.Engine.SleepAfter, clock));
    private readonly WorkerMeters _meters = new();

    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        if (config.Supervised) Supervision.Begin();
        if (ModelVetting.Fault(config.Model.Path, ranks: config.Session is { Embeddings: true, Pooling: PoolingKind.Rank }) is { } fault) return await FailAsync(ExitCode.BadInput, fault);

        await using var server = WorkerServer.Create(config, _state, _meters, clock);
        try
        {
            await server.StartAsync(stop);
        }
        catch (IOException exception) when (exception.InnerException is AddressInUseException)
        {
            return await FailAsync(ExitCode.AddressInUse, $"{config.Address}:{config.Port} is in use. Choose another --port, or 0 for any free one.");
        }
        catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException or InvalidOperationException)
        {
            return await FailAsync(ExitCode.BadInput, $"Cannot listen on {config.Address}:{config.Port}: {exception.Message}");
        }

        await Console.Out.WriteLineAsync(JsonSerializer.Serialize(new ServeLine(server.Listening), ContractJson.Default.ServeLine));
        await Console.Out.FlushAsync(CancellationToken.None);
        var loggers = server.Services.GetRequiredService<ILoggerFactory>();
        return await ServeAsync(server, loggers.CreateLogger("FinerCut.Worker.Serving"), loggers, stop);
    }

    private async Task<int> ServeAsync(WorkerServer server, ILogger logger, ILoggerFactory loggers, CancellationToken stop)
    {
        // One model after the other: asleep there is none.
        while (true)
        {
            ServedModel model;
            try
            {
                model = await Task.Run(() => new ModelLoading(config, NativeRuntime.Open(null, loggers), _meters, clock, logger).Load(stop), CancellationToken.None);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return ExitCode.Success;
            }
            catch (LlamaException exception)
            {
                var isInput = exception.Code is LlamaErrorCode.ModelNotFound or LlamaErrorCode.ModelNotLoaded or LlamaErrorCode.InvalidOption or LlamaErrorCode.AdapterNotLoaded;
                return await FailAsync(isInput ? ExitCode.BadInput : ExitCode.Failed, exception.Message);
            }
            catch (ChatTemplateException exception)
            {
                return await FailAsync(ExitCode.BadInput, $"{config.ChatTemplateFile} is no chat template: {exception.Message}");
            }

            using (model)
            {
                if (await ServeAsync(model, server, logger, stop) is { } code) return code;
            }

            try
            {
                await _state.Wakefulness.WantedAsync(stop);
            }
            catch (OperationCanceledException)
            {
                await server.StopAsync();
                return ExitCode.Success;
            }

            logger.LogInformation("A request wakes the model");
        }
    }

    /// <summary>Serves until something ends it. Null where the worker goes to sleep.</summary>
    private async Task<int?> ServeAsync(ServedModel model, WorkerServer server, ILogger logger, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _state.SetReady(model);
        var idle = _state.Wakefulness.IdleAsync(over.Token);
        await Task.WhenAny(model.Loop.Completion, idle);
        if (model.Loop.Completion.Exception is { } broken)
        {
            await over.CancelAsync();
            logger.LogCritical(broken.InnerException, "The batch loop broke");
            return await FailAsync(ExitCode.Failed, "The inference loop broke; see the log above.");
        }

        if (idle.IsCompletedSuccessfully)
        {
            _state.SetSleeping();
            logger.LogInformation("No requests for {Seconds} s: the model is unloaded until the next", config.Engine.SleepAfter!.Value.TotalSeconds);
            await model.Loop.StopAsync();
            return null;
        }

        _state.SetDraining();
        await DrainAsync(model, logger);
        await model.Loop.StopAsync();
        await server.StopAsync();
        return ExitCode.Success;
    }

    private async Task DrainAsync(ServedModel model, ILogger logger)
    {
        var began = clock.GetTimestamp();
        logger.LogInformation("Draining {Requests} requests for at most {Seconds} s", model.Loop.Unfinished, config.DrainTime.TotalSeconds);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10), clock);
        while (model.Loop.Unfinished > 0 && !model.Loop.Completion.IsCompleted && clock.GetElapsedTime(began) < config.DrainTime) await timer.WaitForNextTickAsync();
        if (model.Loop.Unfinished > 0) logger.LogWarning("{Requests} requests were not done in time and are cut", model.Loop.Unfinished);
    }

    private static async Task<int> FailAsync(int code, string message)
    {
        await Console.Error.WriteLineAsync($"error: {message}");
        return code;
    }
}
