using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>One error as OpenAI's clients read it.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="Type">invalid_request_error, authentication_error, not_found_error, unavailable_error, server_error ...</param>
/// <param name="Param">Path of the field at fault, null where none is.</param>
/// <param name="Code">Stable machine-readable code, null where the type says enough.</param>
public sealed record ApiError(int Status, string Type, string Message, string? Param = null, string? Code = null)
{
    /// <summary>Seconds after which the client may try again; null = no advice.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>Tokens of a prompt and of the context that it does not fit into; null for other errors. llama-server's clients shorten the prompt by them.</summary>
    public (int Prompt, int Context)? Overflow { get; init; }

    public static ApiError Invalid(string message, string? param, string code = "invalid_value") =>
        new(400, "invalid_request_error", message, param, code);

    public static ApiError Unavailable(string message, string code, int? retryAfterSeconds) =>
        new(503, "unavailable_error", message, null, code) { RetryAfterSeconds = retryAfterSeconds };

    public static ApiError Server(string message, string code = "internal_error") => new(500, "server_error", message, null, code);

    /// <summary>The prompt is longer than the context; names both figures.</summary>
    public static ApiError ContextExceeded(int promptTokens, int contextLength) => new(
        400,
        "invalid_request_error",
        $"This model's context is {contextLength} tokens, and the prompt alone has {promptTokens}. Shorten the prompt, or serve with a larger --ctx-size.",
        "messages",
        "context_length_exceeded")
    { Overflow = (promptTokens, contextLength) };

    /// <summary>{"error":{...}} as UTF-8 JSON.</summary>
    /// <param name="typed">With "type": "error" beside it, as Anthropic's clients expect it.</param>
    public void Write(IBufferWriter<byte> destination, bool typed = false)
    {
        using var json = new Utf8JsonWriter(destination, OpenAiJson.Writing);
        json.WriteStartObject();
        if (typed) json.WriteString("type", "error");
        json.WriteStartObject("error");
        json.WriteString("message", Message);
        json.WriteString("type", Type);
        json.WriteString("param", Param);
        json.WriteString("code", Code);
        if (Overflow is { } overflow)
        {
            json.WriteNumber("n_prompt_tokens", overflow.Prompt);
            json.WriteNumber("n_ctx", overflow.Context);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>Ends a request with an error; one place turns it into a response.</summary>
public sealed class ApiException(ApiError error) : Exception(error.Message)
{
    public ApiError Error { get; } = error;
}

/// <summary>One field that cannot be taken: where, and what is allowed.</summary>
public sealed record FieldFault(string Path, string Message, string Code);

/// <summary>All faults of one body.</summary>
internal static class FieldFaults
{
    public static ApiError ToError(ImmutableArray<FieldFault> faults) => ApiError.Invalid(
        string.Join(' ', faults.Select(fault => fault.Message)), faults[0].Path, faults[0].Code);
}
