using System.Buffers;
using FinerCut.Worker.Batching;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.OpenAi;

/// <summary>Takes the generations of one HTTP request through the batch loop and writes what comes out, whole or as events.</summary>
internal sealed class AnswerRun(ServedModel model, HttpContext http)
{
    private readonly OutboxSignal _signal = new();

    /// <exception cref="ApiException">Refused before the first byte was sent.</exception>
    public async Task RunAsync(IReadOnlyList<GenerationRequest> requests, bool stream, IAnswerFormat format)
    {
        foreach (var request in requests) model.Require(request);
        var weight = KeyWeight.Of(http);
        var generations = requests.Select(request => new Generation(request with { Weight = weight }, _signal)).ToArray();
        if (!model.Loop.TryEnter(generations, out var ahead)) throw new ApiException(model.Busy(ahead));
        http.Response.Headers["x-finercut-queue-position"] = Math.Max(0, ahead + generations.Length - model.Loop.Config.Parallel).ToString();
        try
        {
            await using var gone = http.RequestAborted.Register(() => Cancel(generations));
            if (stream) await StreamAsync(generations, format);
            else await WholeAsync(generations, format);
        }
        finally
        {
            // Whatever ended this early (the client went, one of several failed): nobody reads the rest.
            Cancel(generations);
        }
    }

    private void Cancel(Generation[] generations)
    {
        foreach (var generation in generations) generation.Cancel();
        model.Loop.Wake();
    }

    private async Task StreamAsync(Generation[] generations, IAnswerFormat format)
    {
        var body = http.Response.BodyWriter;
        var ends = new GenerationEnd?[generations.Length];
        var opened = new bool[generations.Length];
        var parcel = new Parcel();
        var started = false;
        for (var open = generations.Length; open > 0;)
        {
            await _signal.WaitAsync(http.RequestAborted);
            for (var i = 0; i < generations.Length; i++)
            {
                if (ends[i] is not null) continue;
                parcel.Clear();
                parcel = generations[i].Outbox.Take(parcel);
                if (parcel is { Tokens: 0, End: null, Progress.Count: 0 }) continue;
                if (Failure(parcel.End) is { } error)
                {
                    if (!started) throw new ApiException(error);
                    format.Fail(body, error);
                    await body.FlushAsync(http.RequestAborted);
                    return;
                }

                if (!started) Start();
                started = true;
                if (!opened[i]) format.Open(body, i);
                opened[i] = true;
                foreach (var progress in parcel.Progress) format.Report(body, i, progress);
                if (parcel.Text.WrittenCount > 0 || parcel.Logprobs.Count > 0) format.Append(body, i, parcel);
                if (parcel.End is not { } end) continue;
                format.Close(body, i, end);
                ends[i] = end;
                open--;
            }

            if (open == 0) format.Complete(body, ends!);
            await body.FlushAsync(http.RequestAborted);
        }
    }

    private void Start()
    {
        http.Response.ContentType = "text/event-stream; charset=utf-8";
        http.Response.Headers.CacheControl = "no-cache";
        http.Response.Headers["X-Accel-Buffering"] = "no";
    }

    private async Task WholeAsync(Generation[] generations, IAnswerFormat format)
    {
        var texts = generations.Select(_ => new ArrayBufferWriter<byte>()).ToArray();
        var logprobs = generations.Select(_ => new List<TokenLogprob>()).ToArray();
        var ends = new GenerationEnd?[generations.Length];
        var parcel = new Parcel();
        for (var open = generations.Length; open > 0;)
        {
            await _signal.WaitAsync(http.RequestAborted);
            for (var i = 0; i < generations.Length; i++)
            {
                if (ends[i] is not null) continue;
                parcel.Clear();
                parcel = generations[i].Outbox.Take(parcel);
                if (Failure(parcel.End) is { } error) throw new ApiException(error);
                texts[i].Write(parcel.Text.WrittenSpan);
                logprobs[i].AddRange(parcel.Logprobs);
                if (parcel.End is null) continue;
                ends[i] = parcel.End;
                open--;
            }
        }

        var body = new ArrayBufferWriter<byte>(1024);
        format.Whole(body, [.. generations.Select((_, i) => new Answer(i, texts[i].WrittenMemory, logprobs[i], ends[i]!))]);
        await http.WriteJsonAsync(200, body.WrittenMemory);
    }

    private static ApiError? Failure(GenerationEnd? end) => end switch
    {
        null or { Kind: FinishKind.Stop or FinishKind.Length } => null,
        { Failure: { IsRequestFault: true } fault } => ApiError.Invalid(fault.Message, null, fault.Code),
        { Failure: { Code: "shutting_down" } fault } => ApiError.Unavailable(fault.Message, fault.Code, 1),
        { Failure: { } failure } => ApiError.Server(failure.Message, failure.Code),
        _ => ApiError.Server($"The client was more than {Outbox.MostBytes >> 20} MiB behind, so the answer was ended.", "client_too_slow"),
    };
}
