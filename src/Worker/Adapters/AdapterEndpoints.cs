using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Serving;

namespace FinerCut.Worker.Adapters;

/// <summary>llama-server's /lora-adapters: what is loaded, and how strong it is for requests that name no strengths of their own.</summary>
internal sealed class AdapterEndpoints(WorkerState state)
{
    public async Task ListAsync(HttpContext http)
    {
        var model = state.Require();
        var (paths, scales) = await model.Loop.VisitAsync(context => (context.Adapters.Paths.ToArray(), context.Adapters.Default));
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartArray();
            for (var i = 0; i < paths.Length; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("id", i);
                json.WriteString("path", Path.GetFileName(paths[i]));
                json.WriteNumber("scale", scales[i]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    public async Task SetAsync(HttpContext http)
    {
        var model = state.Require();
        using var document = await http.ReadJsonAsync();
        var wrapped = JsonSerializer.SerializeToElement(new JsonObject { ["adapters"] = JsonNode.Parse(document.RootElement.GetRawText()) }, OpenAiJson.Default.JsonObject);
        var body = new FieldReader(wrapped);
        var scales = Read(body, "adapters", model.Limits.Adapters);
        body.ThrowIfFaulty();
        await model.Loop.VisitAsync(context => context.Adapters.Default = scales.IsDefault ? [.. Enumerable.Repeat(0f, model.Limits.Adapters)] : scales);
        await http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", true);
            json.WriteEndObject();
        });
    }

    /// <summary>[{"id": 0, "scale": 0.5}]: adapters that are not named have no strength. Default where the member is absent.</summary>
    public static ImmutableArray<float> Read(FieldReader body, string name, int count)
    {
        if (body.Objects(name) is not { } entries) return default;
        var scales = new float[count];
        foreach (var entry in entries)
        {
            var id = entry.Integer("id", 0, Math.Max(0, count - 1));
            var scale = entry.Number("scale", -100, 100);
            if (count == 0) entry.Fault("id", "names no adapter: this worker has none (--lora).", "invalid_value");
            else if (id is null && entry.Any("id") is null) entry.Fault("id", $"is missing: 0 to {count - 1}.", "missing_required_parameter");
            if (scale is null && entry.Any("scale") is null) entry.Fault("scale", "is missing: a number.", "missing_required_parameter");
            entry.Close();
            if (count > 0 && id is { } at && scale is { } value) scales[at] = (float)value;
        }

        return [.. scales];
    }
}
