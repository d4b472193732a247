using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace FinerCut.Worker.OpenAi;

/// <summary>Bodies in and out.</summary>
internal static class Http
{
    private static readonly JsonDocumentOptions Reading = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <exception cref="ApiException">Not JSON, or too large.</exception>
    public static async Task<JsonDocument> ReadJsonAsync(this HttpContext http)
    {
        try
        {
            var document = await JsonDocument.ParseAsync(http.Request.Body, Reading, http.RequestAborted);
            if (BrokenText.Find(document.RootElement) is not { } path) return document;
            document.Dispose();
            throw new ApiException(ApiError.Invalid(
                $"'{path}' is not valid Unicode, or has a member whose name is not: bytes that are no UTF-8, or half a surrogate pair.", path));
        }
        catch (JsonException exception)
        {
            // The exception's own message quotes the body.
            throw new ApiException(ApiError.Invalid(
                $"The body is not valid JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1} of it), or has a member twice.", null, "invalid_json"));
        }
        catch (InvalidOperationException)
        {
            // The parser's own look for double names reads them.
            throw new ApiException(ApiError.Invalid("A member's name is not valid Unicode: half a surrogate pair.", null, "invalid_json"));
        }
        catch (BadHttpRequestException exception) when (exception.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            var limit = http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;
            throw new ApiException(new ApiError(413, "invalid_request_error", $"The body is larger than {limit} bytes.", null, "request_too_large"));
        }
    }

    public static async Task WriteJsonAsync(this HttpContext http, int status, ReadOnlyMemory<byte> json)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json; charset=utf-8";
        http.Response.ContentLength = json.Length;
        await http.Response.Body.WriteAsync(json, http.RequestAborted);
    }

    public static Task WriteJsonAsync(this HttpContext http, Action<Utf8JsonWriter> write)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        OpenAiJson.Write(body, write);
        return http.WriteJsonAsync(200, body.WrittenMemory);
    }

    public static Task WriteErrorAsync(this HttpContext http, ApiError error)
    {
        var body = new ArrayBufferWriter<byte>(256);
        error.Write(body, typed: http.Request.Path.StartsWithSegments("/v1/messages", StringComparison.Ordinal));
        if (error.RetryAfterSeconds is { } seconds) http.Response.Headers.RetryAfter = seconds.ToString();
        return http.WriteJsonAsync(error.Status, body.WrittenMemory);
    }
}
