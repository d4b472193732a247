using System.Collections.Immutable;
using FinerCut.Gateway.Access.Administration;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Configuration.Live;
using FinerCut.Gateway.Pruning;

namespace FinerCut.Gateway.OpenApi;

/// <summary>The admin endpoints. ApiDocumentTests keeps this list equal to what is mapped.</summary>
internal static class AdminOperations
{
    private const string Models = "Models and versions";
    private const string Jobs = "Prune jobs";
    private const string Keys = "Keys";
    private const string Recording = "Recording";
    private const string State = "State";
    private const string Events = "text/event-stream";

    private static readonly ImmutableArray<(string, string)> Selection =
    [
        ("key", "Id of the key in whose name the conversations were."), ("from", "At this time or later, such as 2026-11-24T10:00:00Z."), ("before", "Earlier than this time."), ("conversation", "Id of one conversation."),
    ];

    public static ImmutableArray<ApiOperation> All { get; } =
    [
        new("GET", "/admin/models", Models, "Every model with its versions and history") { Answer = typeof(ModelList) },
        new("GET", "/admin/models/{model}", Models, "One model") { Answer = typeof(ModelView), Errors = [404] },
        new("GET", "/admin/models/{model}/versions/{version}", Models, "One version with its whole history") { Answer = typeof(VersionHistoryView), Errors = [404] },
        new("POST", "/admin/models/{model}/versions/{version}/chat", Models, "A chat completion of exactly this version: neither recorded nor metered (body and answer as /v1/chat/completions)") { Body = typeof(ChatRequest), Answer = typeof(ChatCompletion), Errors = [400, 404, 409, 413, 502, 503] },
        new("POST", "/admin/models/{model}/promote", Models, "Serve all of the model from a version; no request is lost") { Body = typeof(VersionChoice), Answer = typeof(ModelView), Errors = [400, 404, 409, 502, 503] },
        new("POST", "/admin/models/{model}/canary", Models, "Put a version on trial, or change its weight") { Body = typeof(TrialChoice), Answer = typeof(ModelView), Errors = [400, 404, 409, 502, 503] },
        new("POST", "/admin/models/{model}/shadow", Models, "Copy a share of the requests to a version") { Body = typeof(VersionChoice), Answer = typeof(ModelView), Errors = [400, 404, 409, 502, 503] },
        new("POST", "/admin/models/{model}/hold", Models, "Stop a trial's promotion, not its rollback") { Answer = typeof(ModelView), Errors = [404, 409] },
        new("POST", "/admin/models/{model}/resume", Models, "Let a held trial go on") { Answer = typeof(ModelView), Errors = [404, 409] },
        new("POST", "/admin/models/{model}/rollback", Models, "End the trial, or go back to the version that the active one replaced") { Answer = typeof(ModelView), Errors = [404, 409, 502, 503] },
        new("GET", "/admin/models/{model}/trial", Models, "Evidence and bounds of the running trial") { Answer = typeof(TrialView), Errors = [404] },
        new("POST", "/admin/models/{model}/prune", Jobs, "Order a prune job") { Body = typeof(PruneOrder), Answer = typeof(JobModel), Status = 202, Errors = [400, 404, 409, 503] },
        new("GET", "/admin/jobs", Jobs, "All jobs, the oldest first") { Answer = typeof(JobList) },
        new("GET", "/admin/jobs/{id}", Jobs, "One job: progress, gate, before and after") { Answer = typeof(JobModel), Errors = [404] },
        new("DELETE", "/admin/jobs/{id}", Jobs, "Cancel a job; nothing has changed then") { Answer = typeof(JobModel), Status = 202, Errors = [404, 409] },
        new("GET", "/admin/jobs/{id}/events", Jobs, "Server-sent events: each state of the job as JSON, until it ends") { ContentType = Events, Errors = [404] },
        new("GET", "/admin/jobs/{id}/report", Jobs, "The job's report, one HTML page") { ContentType = "text/html", Errors = [404] },
        new("GET", "/admin/keys", Keys, "All client keys") { Answer = typeof(KeyList) },
        new("POST", "/admin/keys", Keys, "Make a key; it is shown in this answer only. name is needed") { Body = typeof(KeyOrder), Answer = typeof(KeyView), Status = 201, Errors = [400] },
        new("GET", "/admin/keys/{id}", Keys, "One key and what it has used") { Answer = typeof(KeyView), Errors = [404] },
        new("PATCH", "/admin/keys/{id}", Keys, "Change a key") { Body = typeof(KeyOrder), Answer = typeof(KeyView), Errors = [400, 404] },
        new("DELETE", "/admin/keys/{id}", Keys, "Delete a key for good") { Status = 204, Errors = [404] },
        new("GET", "/admin/models/{model}/recording", Recording, "What is kept of a model's traffic") { Answer = typeof(RecordingView), Errors = [404] },
        new("PUT", "/admin/models/{model}/recording", Recording, "Switch recording on or off") { Body = typeof(RecordingSwitch), Answer = typeof(RecordingView), Errors = [400, 404] },
        new("DELETE", "/admin/models/{model}/recording", Recording, "Purge what was recorded, all of it or a selection") { Query = Selection, Answer = typeof(PurgeView), Errors = [400, 404] },
        new("GET", "/admin/models/{model}/recording/export", Recording, "Export what was recorded, a JSON line a conversation") { Query = Selection, ContentType = "application/x-ndjson", Errors = [400, 404] },
        new("GET", "/admin/models/{model}/recording/audit", Recording, "Who made use of which conversations") { Answer = typeof(AuditView), Errors = [404] },
        new("GET", "/admin/workers", State, "Workers with state, process and requests in flight") { Answer = typeof(WorkerList) },
        new("GET", "/admin/memory", State, "The memory ledger") { Answer = typeof(MemoryLedgerView) },
        new("GET", "/admin/events", State, "Server-sent events of all that happens: worker, version, job, config") { ContentType = Events },
        new("GET", "/admin/metrics", State, "/metrics for the admin key") { ContentType = "text/plain" },
        new("GET", "/admin/config", State, "The settings' last reading, and what waits for a restart") { Answer = typeof(ConfigStatus) },
        new("GET", "/admin/config/schema", State, "JSON schema of the settings") { ContentType = "application/schema+json" },
        new("POST", "/admin/config/reload", State, "Read the settings again; 422 with their errors where they are wrong") { Answer = typeof(ConfigStatus) },
    ];
}

/// <summary>Stand for the components of that name in v1.json.</summary>
internal sealed record ChatRequest;

internal sealed record ChatCompletion;
