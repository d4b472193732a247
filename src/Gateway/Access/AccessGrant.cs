using FinerCut.Gateway.Access.Keys;
using FinerCut.Gateway.Routing;

namespace FinerCut.Gateway.Access;

/// <summary>In whose name a request is made; a feature of the request.</summary>
public sealed record AccessGrant(AccessKey Key) : IModelScope
{
    /// <summary>Requests from this machine without a key, where the settings allow them.</summary>
    public static AccessGrant Loopback { get; } = new(Unlimited("loopback", Grants.Inference | Grants.Metrics));

    /// <summary>The holder of Access:Key.</summary>
    public static AccessGrant Settings { get; } = new(Unlimited("settings", Grants.Inference));

    public bool Allows(string modelId) => ScopeMatrix.AllowsModel(Key.Scopes, modelId);

    private static AccessKey Unlimited(string id, Grants grants) => new()
    {
        Id = id,
        Name = id,
        Hash = "",
        CreatedAt = DateTimeOffset.UnixEpoch,
        Scopes = new KeyScopes(grants, ["*"]),
        Recording = true,
    };
}
