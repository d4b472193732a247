using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.OpenAi;
using FinerCut.Gateway.Recording;
using FinerCut.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace FinerCut.Gateway.Admin;

/// <param name="Needed">Distinct conversations with which a prune job may begin.</param>
/// <param name="Pending">Captured, about to be counted.</param>
public sealed record RecordingView(
    string Model, bool Enabled, RecordingCounts Counts, int Needed, long Pending, long Dropped);

/// <summary>/admin/models/{model}/recording: status, switch, purge.</summary>
internal static class RecordingEndpoints
{
    public static void MapRecordingAdmin(this IEndpointRouteBuilder admin, LiveConfig live, RecordingStore store, RecordingSwitches switches, TrafficRecorder recorder)
    {
        admin.MapGet("/models/{model}/recording", (string model) => Find(model) is { } found ? AdminAnswers.Ok(View(found)) : ModelEndpoints.NoModel());
        admin.MapPut("/models/{model}/recording", (string model, HttpContext context) => AdminAnswers.WithBodyAsync(
            context,
            bytes => JsonBody.Read(bytes, body =>
            {
                var enabled = body.Flag("enabled");
                if (enabled is null && !body.Has("enabled")) body.Error("enabled", "expected true or false");
                return new SwitchOrder(enabled ?? false);
            }),
            order =>
            {
                if (Find(model) is not { } found) return Task.FromResult(ModelEndpoints.NoModel());
                switches.Set(model, order.Enabled);
                return Task.FromResult(AdminAnswers.Ok(View(found)));
            }));
        admin.MapDelete("/models/{model}/recording", (string model, HttpContext context) => Selected(model, context, selection => AdminAnswers.Ok(new { model, purged = store.Purge(model, selection) })));
        admin.MapGet("/models/{model}/recording/export", (string model, HttpContext context) => Selected(model, context, selection => Results.Stream(
            body => WriteAsync(body, store.Export(model, selection), context.RequestAborted), "application/x-ndjson")));
        admin.MapGet("/models/{model}/recording/audit", (string model) => Find(model) is null ? ModelEndpoints.NoModel() : AdminAnswers.Ok(new { model, uses = store.Uses(model) }));

        IResult Selected(string model, HttpContext context, Func<RecordingSelection, IResult> act)
        {
            if (Find(model) is null) return ModelEndpoints.NoModel();
            var (selection, error) = Selection(context.Request.Query);
            return selection is null ? AdminAnswers.Fail(error!) : act(selection);
        }

        ModelConfig? Find(string id) => live.Find(id);

        RecordingView View(ModelConfig model)
        {
            store.Expire(model.Id, model.Recording);
            return new(model.Id, switches.IsOn(model.Id), store.Count(model.Id), live.Jobs.MinConversations, recorder.Pending, recorder.Dropped);
        }
    }

    /// <summary>Strict: a purge must not take more than was meant because a word was misspelt.</summary>
    private static (RecordingSelection? Selection, ApiError? Error) Selection(IQueryCollection query)
    {
        string[] known = ["key", "from", "before", "conversation"];
        if (query.Keys.FirstOrDefault(name => !known.Contains(name)) is not null || query.Any(given => given.Value.Count != 1 || given.Value[0] is not { Length: > 0 and <= 100 }))
        {
            return (null, ApiError.Invalid($"Known here, each once and not empty: {string.Join(", ", known)}.", "invalid_query"));
        }

        var times = new DateTimeOffset?[2];
        foreach (var (name, at) in known[1..3].Select((name, at) => (name, at)))
        {
            if (!query.TryGetValue(name, out var text)) continue;
            if (!DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time))
            {
                return (null, ApiError.Invalid($"{name} must be a time such as 2026-11-24T10:00:00Z.", "invalid_query", name));
            }

            times[at] = time;
        }

        return (new RecordingSelection(query["key"].FirstOrDefault(), times[0], times[1], query["conversation"].FirstOrDefault()), null);
    }

    private static async Task WriteAsync(Stream body, IEnumerable<RecordedConversation> conversations, CancellationToken cancellationToken)
    {
        foreach (var conversation in conversations)
        {
            await body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(conversation, ContractJson.Default.RecordedConversation), cancellationToken);
            await body.WriteAsync("\n"u8.ToArray(), cancellationToken);
            // The next one is read and unsealed.
            await SocketLoop.Leave();
        }
    }

    private sealed record SwitchOrder(bool Enabled);
}
