using System.IO.Enumeration;

namespace FinerCut.Gateway.Access.Keys;

/// <summary>Endpoint × scope → allowed. Pure; what is not granted is refused.</summary>
public static class ScopeMatrix
{
    /// <summary>The grant that an endpoint asks for; None where none is needed.</summary>
    public static Grants Needed(Endpoint endpoint) => endpoint switch
    {
        Endpoint.Public or Endpoint.Unknown => Grants.None,
        Endpoint.ChatCompletions => Grants.Chat,
        Endpoint.Completions => Grants.Completions,
        Endpoint.Embeddings => Grants.Embeddings,
        Endpoint.Rerank => Grants.Rerank,
        Endpoint.Responses => Grants.Responses,
        Endpoint.Messages => Grants.Messages,
        Endpoint.Tokenize => Grants.Tokenize,
        Endpoint.ListModels => Grants.Models,
        Endpoint.Metrics => Grants.Metrics,
        Endpoint.Admin => Grants.Admin,
        _ => throw new ArgumentOutOfRangeException(nameof(endpoint), endpoint, "An endpoint without a row in the scope matrix."),
    };

    public static bool Allows(KeyScopes scopes, Endpoint endpoint)
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
