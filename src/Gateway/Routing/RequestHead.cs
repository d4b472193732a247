using System.Text.Json;
using FinerCut.Gateway.OpenAi;

namespace FinerCut.Gateway.Routing;

/// <summary>What routing needs to know of a request's JSON; everything else is the worker's business.</summary>
/// <param name="Model">Null where the body names none.</param>
/// <param name="Stream">Whether the client asked for server-sent events.</param>
public sealed record RequestHead(string? Model, bool Stream)
{
    /// <summary>
    /// One pass over the whole body: it must be one JSON object, with <c>model</c> at most once (two readers could take a different one each).
    /// </summary>
    public static (RequestHead? Head, ApiError? Error) Parse(ReadOnlySpan<byte> json)
    {
        string? model = null;
        var stream = false;
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 128 });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return (null, NotAnObject("The body is not a JSON object."));
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("model"u8))
                {
                    reader.Read();
                    if (reader.TokenType == JsonTokenType.Null) continue;
                    if (reader.TokenType != JsonTokenType.String) return (null, ApiError.Invalid("model must be a string.", "invalid_model", "model"));
                    if (model is not null) return (null, ApiError.Invalid("model is given twice.", "invalid_model", "model"));
                    model = reader.GetString();
                }
                else if (reader.ValueTextEquals("stream"u8))
                {
                    reader.Read();
                    stream = reader.TokenType == JsonTokenType.True;
                    reader.Skip();
                }
                else
                {
                    reader.Skip();
                }
            }

            while (reader.Read())
            {
                // Only white space may follow the object; anything else throws.
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // The message of a JSON exception can quote the body, so only the place is told.
            return (null, NotAnObject(exception is JsonException place
                ? $"The body is not valid JSON (line {place.LineNumber + 1}, byte {place.BytePositionInLine})."
                : "The body is not valid JSON: a string is not valid UTF-8."));
        }

        return (new RequestHead(model, stream), null);
    }

    private static ApiError NotAnObject(string message) => ApiError.Invalid(message, "invalid_json");
}
