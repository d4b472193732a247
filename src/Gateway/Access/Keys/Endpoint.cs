namespace FinerCut.Gateway.Access.Keys;

/// <summary>What a request is for, as far as access goes.</summary>
public enum Endpoint
{
    /// <summary>No endpoint that is known here: any key gets as far as the 404.</summary>
    Unknown,

    /// <summary>Health, readiness and the page itself: no key is asked for.</summary>
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
public static class Endpoints
{
    /// <param name="path">Decoded, as routing sees it. Case and one trailing slash do not matter, as they do not in routing.</param>
    public static Endpoint Of(string path)
    {
        var plain = path.Length > 1 ? path.TrimEnd('/') : path;
        if (StartsWith(plain, "/admin")) return Endpoint.Admin;
        if (StartsWith(plain, "/v1/models") || Is(plain, "/models")) return Endpoint.ListModels;
        return plain.ToLowerInvariant() switch
        {
            "/" or "" or "/health" or "/healthz" or "/ready" or "/readyz" or "/livez" or "/v1/health" => Endpoint.Public,
            "/v1/chat/completions" or "/chat/completions" => Endpoint.ChatCompletions,
            "/v1/completions" or "/completions" or "/completion" or "/infill" => Endpoint.Completions,
            "/v1/embeddings" or "/embeddings" or "/embedding" => Endpoint.Embeddings,
            "/v1/rerank" or "/rerank" or "/v1/reranking" or "/reranking" => Endpoint.Rerank,
            "/v1/responses" or "/responses" => Endpoint.Responses,
            "/v1/messages" or "/v1/messages/count_tokens" => Endpoint.Messages,
            "/tokenize" or "/detokenize" or "/apply-template" or "/v1/tokenize" or "/v1/detokenize" => Endpoint.Tokenize,
            "/metrics" => Endpoint.Metrics,
            _ => Endpoint.Unknown,
        };
    }

    /// <summary>True where a request costs tokens and a place on a worker.</summary>
    public static bool Computes(Endpoint endpoint) => endpoint is Endpoint.ChatCompletions or Endpoint.Completions or Endpoint.Embeddings
        or Endpoint.Rerank or Endpoint.Responses or Endpoint.Messages;

    private static bool Is(string path, string other) => path.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static bool StartsWith(string path, string folder) =>
        path.StartsWith(folder, StringComparison.OrdinalIgnoreCase) && (path.Length == folder.Length || path[folder.Length] == '/');
}
