using System.Security.Cryptography;
using System.Text;
using FinerCut.Gateway.Configuration;
using FinerCut.Gateway.Storage;

namespace FinerCut.Gateway.Access;

/// <summary>The key of the admin endpoints: from the settings, or made once and kept in the state folder. Only its hash stays in memory.</summary>
public sealed class AdminKey
{
    private readonly byte[] _hash;

    private AdminKey(string key, string? file, bool isNew)
    {
        _hash = Hash(key);
        File = file;
        New = isNew ? key : null;
    }

    /// <summary>Where a generated key lies; null where the settings give it.</summary>
    public string? File { get; }

    /// <summary>The key itself, when it was made just now: shown once.</summary>
    public string? New { get; }

    public static AdminKey Load(AdminConfig config, StateFolder state)
    {
        if (config.Key is { } given) return new AdminKey(given, null, isNew: false);
        var path = state.Of("admin.key");
        if (System.IO.File.Exists(path))
        {
            var kept = System.IO.File.ReadAllText(path).Trim();
            if (kept.Length >= 16) return new AdminKey(kept, path, isNew: false);
        }

        var key = "fca-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        StateFolder.WriteWhole(path, key + "\n");
        return new AdminKey(key, path, isNew: true);
    }

    /// <summary>Takes the same time whatever differs.</summary>
    public bool Matches(string candidate) => CryptographicOperations.FixedTimeEquals(Hash(candidate), _hash);

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
