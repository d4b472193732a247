using FinerCut.Runtime;
using FinerCut.Worker.Batching;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.LlamaServer;

/// <summary>
/// /slots and /v1/worker/sequences: what each sequence holds, and saving, restoring and forgetting one. A restored sequence is a kept prefix like
/// any other: whichever request begins with its tokens goes on from them.
/// </summary>
/// <param name="folder">Where saved sequences lie; null = none are saved.</param>
internal sealed class SlotEndpoints(WorkerState state, string? folder, TimeProvider clock)
{
    public async Task ListAsync(HttpContext http)
    {
        var model = state.Require();
        var sequences = await model.Loop.VisitAsync(context => context.Store.All.Select(sequence => (sequence.Id, sequence.InUse, sequence.Length)).ToArray());
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartArray();
            foreach (var (id, inUse, length) in sequences)
            {
                json.WriteStartObject();
                json.WriteNumber("id", id);
                json.WriteNumber("n_ctx", model.Loop.Config.ContextLimit);
                json.WriteBoolean("is_processing", inUse);
                json.WriteNumber("n_tokens", length);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    public async Task ActAsync(HttpContext http)
    {
        var model = state.Require();
        if (!int.TryParse(http.Request.RouteValues["id"]?.ToString(), out var id) || id < 0) throw new ApiException(ApiError.Invalid("The slot's number is none.", "id"));
        switch (http.Request.Query["action"].ToString())
        {
            case "save":
                await SaveAsync(http, model, id, await ReadNameAsync(http));
                break;
            case "restore":
                await RestoreAsync(http, model, id, await ReadNameAsync(http));
                break;
            case "erase":
                var erased = await VisitAsync(model, id, (context, sequence) =>
                {
                    var length = sequence.Length;
                    context.Store.Shorten(sequence, 0);
                    return length;
                });
                await http.WriteJsonAsync(json =>
                {
                    json.WriteStartObject();
                    json.WriteNumber("id_slot", id);
                    json.WriteNumber("n_erased", erased);
                    json.WriteEndObject();
                });
                break;
            default:
                throw new ApiException(ApiError.Invalid("'action' must be save, restore or erase.", "action"));
        }
    }

    private async Task SaveAsync(HttpContext http, ServedModel model, int id, string name)
    {
        var began = clock.GetTimestamp();
        var (tokens, bytes) = await VisitAsync(model, id, (context, sequence) =>
            (sequence.Length, Files(context).Save(Path.Combine(folder!, name), id, sequence.Tokens, context.Adapters.Describe(sequence.AdapterSet))));
        await WriteAsync(http, id, name, "n_saved", tokens, "n_written", bytes, "save_ms", began);
    }

    private async Task RestoreAsync(HttpContext http, ServedModel model, int id, string name)
    {
        var began = clock.GetTimestamp();
        var path = Path.Combine(folder!, name);
        if (!File.Exists(path)) throw new ApiException(ApiError.Invalid("There is no saved sequence of this name.", "filename"));
        var tokens = await VisitAsync(model, id, (context, sequence) =>
        {
            context.Store.Restore(sequence, () =>
            {
                var adapters = 0;
                var saved = Files(context).Load(path, id, note => adapters = context.Adapters.Find(note)
                    ?? throw new ApiException(ApiError.Invalid($"{name} was computed with an adapter that this worker does not have.", "filename", "state_refused")));
                return (saved, adapters);
            });
            return sequence.Length;
        });
        await WriteAsync(http, id, name, "n_restored", tokens, "n_read", new FileInfo(path).Length, "restore_ms", began);
    }

    private async Task WriteAsync(HttpContext http, int id, string name, string tokensName, int tokens, string bytesName, long bytes, string timeName, long began)
    {
        var milliseconds = clock.GetElapsedTime(began).TotalMilliseconds;
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("id_slot", id);
            json.WriteString("filename", name);
            json.WriteNumber(tokensName, tokens);
            json.WriteNumber(bytesName, bytes);
            json.WriteStartObject("timings");
            json.WriteNumber(timeName, Math.Round(milliseconds, 3));
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    private async Task<string> ReadNameAsync(HttpContext http)
    {
        if (folder is null)
            throw new ApiException(new ApiError(501, "not_supported_error", "This worker saves no sequences; start it with --slot-save-path FOLDER.", null, "not_supported"));
        using var document = await http.ReadJsonAsync();
        var body = new FieldReader(document.RootElement);
        var name = body.Text("filename");
        if (name is null && body.Any("filename") is null) body.Fault("filename", "is missing: a name in the folder of saved sequences.", "missing_required_parameter");
        else if (name is not null && (name.Length is 0 or > 200 || name.StartsWith('.') || name.AsSpan().ContainsAny(Path.GetInvalidFileNameChars()) || name.AsSpan().ContainsAny("/\\:")))
            body.Fault("filename", "must be the bare name of a file, without a folder.", "invalid_value");
        body.Accept("model");
        body.Close();
        body.ThrowIfFaulty();
        return name!;
    }

    private static ISequenceFiles Files(BatchContext context) => (ISequenceFiles)context.Session.GetService(typeof(ISequenceFiles))!;

    private async Task<T> VisitAsync<T>(ServedModel model, int id, Func<BatchContext, Sequence, T> visit)
    {
        try
        {
            return await model.Loop.VisitAsync(context =>
            {
                if (context.Store.All.FirstOrDefault(sequence => sequence.Id == id) is not { } sequence)
                    throw new ApiException(ApiError.Invalid($"There is no slot {id}; there are {context.Store.All.Count}.", "id"));
                if (sequence.InUse) throw new ApiException(new ApiError(409, "invalid_request_error", $"Slot {id} is at work; wait until its request has ended.", "id", "slot_busy"));
                return visit(context, sequence);
            });
        }
        catch (LlamaException exception)
        {
            // Where the folder lies is the operator's business, not the client's.
            throw new ApiException(exception.Code is LlamaErrorCode.StateNotLoaded or LlamaErrorCode.StateNotSaved
                ? ApiError.Invalid(exception.Message.Replace(folder + Path.DirectorySeparatorChar, "", StringComparison.Ordinal), "filename", "state_refused")
                : ApiError.Server($"The library failed ({exception.Code})."));
        }
    }
}
