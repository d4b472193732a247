using System.ComponentModel;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.SemanticKernel;

namespace FinerCut.Samples;

/// <summary>
/// What an agent may do with a gateway: look at models, versions, recordings and jobs, and order a prune job. It promotes nothing by itself: a job's version that passes the gate
/// waits for a hand. Refusals come back as their message, so that the model can tell them.
/// </summary>
/// <param name="admin">Its base address is the gateway's; it sends the admin key.</param>
public sealed class FinerCutPlugin(HttpClient admin)
{
    [KernelFunction("list_models"), Description("Lists the models of the gateway with their versions: id, state, size in MB, and which one serves.")]
    public async Task<string> ListModelsAsync(CancellationToken cancellationToken = default)
    {
        var answer = await AskAsync(HttpMethod.Get, "/admin/models", null, cancellationToken);
        return answer["models"] is JsonArray models
            ? string.Join('\n', models.SelectMany(model => model!["versions"]!.AsArray().Select(version =>
                $"{model["model"]} {version!["version"]}: {version["state"]}, {version["bytes"]!.GetValue<long>() / 1e6:F1} MB{(version["version"]!.ToString() == model["active"]?.ToString() ? ", serves" : "")}")))
            : Refusal(answer);
    }

    [KernelFunction("recording_status"), Description("Tells how many conversations of a model are recorded, and how many a prune job needs.")]
    public async Task<string> RecordingStatusAsync([Description("The model's id.")] string model, CancellationToken cancellationToken = default)
    {
        var answer = await AskAsync(HttpMethod.Get, $"/admin/models/{Uri.EscapeDataString(model)}/recording", null, cancellationToken);
        return answer["counts"] is { } counts ? $"Recording is {(answer["enabled"]!.GetValue<bool>() ? "on" : "off")}; {counts["distinct"]} conversations are there, {answer["needed"]} are needed." : Refusal(answer);
    }

    [KernelFunction("start_prune_job"), Description("Orders a job that makes a leaner version of a model. The version is proven, never put in service by this.")]
    public async Task<string> StartPruneJobAsync(
        [Description("The model's id.")] string model, [Description("Percent of the blocks' bytes to remove, 0.1 to 90; 1 to 5 is usual.")] double percent, CancellationToken cancellationToken = default)
    {
        if (percent is not (>= 0.1 and <= 90)) return "percent must be from 0.1 to 90.";
        var answer = await AskAsync(HttpMethod.Post, $"/admin/models/{Uri.EscapeDataString(model)}/prune", new JsonObject { ["budget"] = new JsonObject { ["fraction"] = percent / 100 }, ["promote"] = false }, cancellationToken);
        return answer["id"] is { } id ? $"{id} is {answer["state"]}; it makes version {answer["version"]}." : Refusal(answer);
    }

    [KernelFunction("job_status"), Description("Tells how a prune job stands, or how it ended and why.")]
    public async Task<string> JobStatusAsync([Description("The job's id, such as job-1.")] string job, CancellationToken cancellationToken = default)
    {
        var answer = await AskAsync(HttpMethod.Get, "/admin/jobs/" + Uri.EscapeDataString(job), null, cancellationToken);
        if (answer["state"] is not { } state) return Refusal(answer);
        var checks = answer["result"]?["gate"]?["checks"]?.AsArray().Select(check => $"{check!["name"]} {check["value"]!["mean"]!.GetValue<double>():F3} (limit {check["limit"]}, {(check["passed"]!.GetValue<bool>() ? "kept" : "not kept")})");
        return $"{answer["id"]} of {answer["model"]}: {state}{(answer["progress"]?["phase"] is { } phase && state.ToString() == "running" ? $", {phase}" : "")}. {string.Join("; ", checks ?? [])}{answer["error"]?["message"]}".Trim();
    }

    private async Task<JsonNode> AskAsync(HttpMethod method, string path, JsonObject? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (body is not null) request.Content = JsonContent.Create(body);
        using var response = await admin.SendAsync(request, cancellationToken);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken)) ?? new JsonObject();
    }

    private static string Refusal(JsonNode answer) => $"Refused: {answer["error"]?["message"] ?? "no reason given"}";
}
