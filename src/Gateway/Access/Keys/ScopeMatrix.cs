using System.IO.Enumeration;

namespace FinerCut.Gateway.Access.Keys;

/// <summary>Endpoint × scope → allowed. Pure; what is not granted is refused.</summary>
public static class ScopeMatrix
{
    /// <summary>The grant that an endpoint asks for; None where none is needed.</summary>
    public static Grants Needed(ApiEndpoint endpoint) => endpoint switch
    {
        ApiEndpoint.Public or ApiEndpoint.Unknown => Grants.None,
        ApiEndpoint.ChatCompletions => Grants.Chat,
        ApiEndpoint.Completions => Grants.Completions,
        ApiEndpoint.Embeddings => Grants.Embeddings,
        ApiEndpoint.Rerank => Grants.Rerank,
        ApiEndpoint.Responses => Grants.Responses,
        ApiEndpoint.Messages => Grants.Messages,
        ApiEndpoint.Tokenize => Grants.Tokenize,
        ApiEndpoint.ListModels => Grants.Models,
        ApiEndpoint.Metrics => Grants.Metrics,
        ApiEndpoint.Admin => Grants.Admin,
        _ => throw new ArgumentOutOfRangeException(nameof(endpoint), endpoint, "An endpoint without a row in the scope matrix."),
    };

    public static bool Allows(KeyScopes scopes, ApiEndpoint endpoint)
    {
        var needed = Needed(endpoint);
        return (scopes.Grants & needed) == needed;
    }

    /// <summary>Whether the key may use, or see in lists, the model of this id.</summary>
    public static bool AllowsModel(KeyScopes scopes, string model)
    {
        foreach (var pattern in scopes.Models)
        {
            if (FileSystemName.MatchesSimpleExpression(Escaped(pattern), model, ignoreCase: true)) return true;
        }

        return false;
    }

    /// <summary>The matcher takes backslashes as escapes; ours are letters like any other.</summary>
    private static string Escaped(string pattern) => pattern.Replace(@"\", @"\\", StringComparison.Ordinal);
}
