using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Access.Keys;

/// <summary>What a request is for, as far as access goes.</summary>
public enum ApiEndpoint
{
    /// <summary>No endpoint that is known here: any key gets as far as the 404.</summary>
    Unknown,

    /// <summary>Health, readiness and the pages themselves, which hold no data: no key is asked for.</summary>
    Public,
    ChatCompletions,
    Completions,
    Embeddings,
    Rerank,
    Responses,
    Messages,
    Tokenize,
    ListModels,
    Metrics,
    Admin,
}

/// <summary>From a path to an endpoint: pure, and the only place that knows the paths.</summary>
public static class ApiEndpoints
{
    /// <param name="path">Decoded, as routing sees it. Case and one trailing slash do not matter, as they do not in routing.</param>
    public static ApiEndpoint Of(string path)
    {
        var plain = path.Length > 1 ? path.TrimEnd('/') : path;
        if (Is(plain, "/admin") || StartsWith(plain, "/ui") || Is(plain, "/openapi.json") || StartsWith(plain, "/reference")) return ApiEndpoint.Public;
        if (StartsWith(plain, "/admin")) return ApiEndpoint.Admin;
        if (StartsWith(plain, "/v1/models") || Is(plain, "/models")) return ApiEndpoint.ListModels;
        return plain.ToLowerInvariant() switch
        {
            "/" or "" or "/health" or "/healthz" or "/ready" or "/readyz" or "/livez" or "/v1/health" => ApiEndpoint.Public,
            "/v1/chat/completions" or "/chat/completions" or "/v1/chat/completions/input_tokens" or "/chat/completions/input_tokens" => ApiEndpoint.ChatCompletions,
            "/v1/completions" or "/completions" or "/completion" or "/infill" => ApiEndpoint.Completions,
            "/v1/embeddings" or "/embeddings" or "/embedding" => ApiEndpoint.Embeddings,
            "/v1/rerank" or "/rerank" or "/v1/reranking" or "/reranking" => ApiEndpoint.Rerank,
            "/v1/responses" or "/responses" => ApiEndpoint.Responses,
            "/v1/messages" or "/v1/messages/count_tokens" => ApiEndpoint.Messages,
            "/tokenize" or "/detokenize" or "/apply-template" or "/v1/tokenize" or "/v1/detokenize" => ApiEndpoint.Tokenize,
            "/metrics" => ApiEndpoint.Metrics,
            _ => ApiEndpoint.Unknown,
        };
    }

    /// <summary>Whether the path is one of those that go on to a worker or another server.</summary>
    public static bool WouldBeForwarded(HttpRequest request) => HttpMethods.IsPost(request.Method) && StartsWith(request.Path.Value ?? "", "/v1");

    /// <summary>True where a request costs tokens and a place on a worker.</summary>
    public static bool Computes(ApiEndpoint endpoint) => endpoint is ApiEndpoint.ChatCompletions or ApiEndpoint.Completions or ApiEndpoint.Embeddings
        or ApiEndpoint.Rerank or ApiEndpoint.Responses or ApiEndpoint.Messages;

    private static bool Is(string path, string other) => path.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static bool StartsWith(string path, string folder) =>
        path.StartsWith(folder, StringComparison.OrdinalIgnoreCase) && (path.Length == folder.Length || path[folder.Length] == '/');
}
