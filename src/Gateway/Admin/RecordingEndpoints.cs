using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Recording;
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
        admin.MapDelete("/models/{model}/recording", (string model) =>
            Find(model) is null ? ModelEndpoints.NoModel() : AdminAnswers.Ok(new { model, purged = store.Purge(model) }));

        ModelConfig? Find(string id) => live.Find(id);

        RecordingView View(ModelConfig model)
        {
            store.Expire(model.Id, model.Recording);
            return new(model.Id, switches.IsOn(model.Id), store.Count(model.Id), live.Jobs.MinConversations, recorder.Pending, recorder.Dropped);
        }
    }

    private sealed record SwitchOrder(bool Enabled);
}
