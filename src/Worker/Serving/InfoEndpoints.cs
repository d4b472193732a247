using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Serving;

/// <summary>/health, /props, /v1/models, /v1/worker/sequences and /metrics.</summary>
internal sealed class InfoEndpoints(WorkerState state, WorkerMeters meters, TimeProvider clock)
{
    private readonly long _created = clock.GetUtcNow().ToUnixTimeSeconds();

    public Task HealthAsync(HttpContext http)
    {
        if (state.Phase is WorkerPhase.Ready or WorkerPhase.Sleeping) return http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "ok");
            json.WriteEndObject();
        });

        // llama-server's form: supervisors that know it read this one.
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.ContentType = "application/json; charset=utf-8";
        return http.Response.WriteAsync(
            $$$"""{"error":{"code":503,"message":"{{{state.NotReadyMessage}}}","type":"unavailable_error"}}""", http.RequestAborted);
    }

    public Task PropsAsync(HttpContext http)
    {
        var model = state.Describe();
        return http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("default_generation_settings");
            json.WriteNumber("n_ctx", model.Loop.Config.ContextLimit);
            json.WriteStartObject("params");
            json.WriteNumber("temperature", 1);
            json.WriteNumber("top_p", 1);
            json.WriteNumber("top_k", 0);
            json.WriteNumber("min_p", 0);
            json.WriteNumber("seed", model.Limits.DefaultSeed is { } seed ? seed : -1L);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteNumber("total_slots", model.Loop.Config.Parallel);
            json.WriteNumber("n_ctx_total", model.Cells);
            json.WriteString("model_alias", model.Names.Id);
            json.WriteString("model_path", model.Info.Path);
            json.WriteString("version", model.Names.Version);
            json.WriteStartObject("modalities");
            json.WriteBoolean("vision", false);
            json.WriteBoolean("audio", false);
            json.WriteEndObject();
            json.WriteString("chat_template", model.Template.Source);
            json.WriteBoolean("chat_template_is_fallback", model.Template.IsFallback);
            json.WriteString("bos_token", model.TemplateTokens.Bos);
            json.WriteString("eos_token", model.TemplateTokens.Eos);
            json.WriteString("build_info", model.Names.Build);
            json.WriteBoolean("is_sleeping", state.Phase == WorkerPhase.Sleeping);
            json.WriteEndObject();
        });
    }

    public Task ModelsAsync(HttpContext http)
    {
        var model = state.Describe();
        return http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "list");
            json.WriteStartArray("data");
            json.WriteStartObject();
            json.WriteString("id", model.Names.Id);
            json.WriteString("object", "model");
            json.WriteNumber("created", _created);
            json.WriteString("owned_by", "finercut");
            json.WriteStartArray("aliases");
            foreach (var alias in model.Names.Aliases) json.WriteStringValue(alias);
            json.WriteEndArray();
            json.WriteStartObject("meta");
            json.WriteString("version", model.Names.Version);
            json.WriteString("description", model.Info.Description);
            json.WriteNumber("n_vocab", model.Info.VocabularySize);
            json.WriteNumber("n_ctx", model.Loop.Config.ContextLimit);
            json.WriteNumber("n_ctx_train", model.Info.ContextLength);
            json.WriteNumber("n_embd", model.Info.EmbeddingLength);
            json.WriteNumber("n_params", model.Info.ParameterCount);
            json.WriteNumber("size", model.Info.SizeBytes);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        });
    }

    public Task MetricsAsync(HttpContext http)
    {
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return http.Response.WriteAsync(meters.ToPrometheus(), http.RequestAborted);
    }

    /// <summary>What is at work and what is kept, without any text.</summary>
    public Task SequencesAsync(HttpContext http)
    {
        var model = state.Describe();
        var gauges = meters.Gauges;
        return http.WriteJsonAsync(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("active", gauges.Active);
            json.WriteNumber("waiting", gauges.Waiting);
            json.WriteNumber("unfinished", model.Loop.Unfinished);
            json.WriteNumber("parallel", model.Loop.Config.Parallel);
            json.WriteNumber("cells", gauges.Cells);
            json.WriteNumber("used_cells", gauges.UsedCells);
            json.WriteNumber("kept_prefixes", gauges.KeptPrefixes);
            json.WriteEndObject();
        });
    }
}
