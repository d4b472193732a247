using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace FinerCut.Gateway.Access.Keys;

/// <summary>
/// The text of a key: "fc-", 16 hexadecimal digits by which it is found, "-", 43 characters of base64url with 256 random bits.
/// Pure but for the random source.
/// </summary>
public static class KeyText
{
    public const string Prefix = "fc-";
    public const int IdLength = 16;
    public const int SecretLength = 43;
    public const int Length = 3 + IdLength + 1 + SecretLength;

    private static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdef");
    private static readonly byte[] NoHash = new byte[SHA256.HashSizeInBytes];

    /// <summary>A new key; the only time that its text exists outside of its owner's hands.</summary>
    public static string Create()
    {
        Span<byte> secret = stackalloc byte[32];
        RandomNumberGenerator.Fill(secret);
        var text = $"{Prefix}{RandomNumberGenerator.GetHexString(IdLength, lowercase: true)}-{Base64Url.EncodeToString(secret)}";
        CryptographicOperations.ZeroMemory(secret);
        return text;
    }

    /// <summary>True when the text has the form of a key; says nothing of whether it exists.</summary>
    public static bool TryReadId(string? text, [NotNullWhen(true)] out string? id)
    {
        id = null;
        if (text is not { Length: Length } || !text.StartsWith(Prefix, StringComparison.Ordinal) || text[Prefix.Length + IdLength] != '-') return false;
        if (text.AsSpan(Prefix.Length, IdLength).ContainsAnyExcept(Hexadecimal)) return false;
        if (!Base64Url.IsValid(text.AsSpan(Length - SecretLength))) return false;
        id = text.Substring(Prefix.Length, IdLength);
        return true;
    }

    /// <summary>Lower-case hex of SHA-256 over the whole text.</summary>
    public static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>Compares in constant time; an absent key costs the same as a wrong one.</summary>
    public static bool Matches(string text, AccessKey? key)
    {
        Span<byte> presented = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(text), presented);
        var expected = key is null ? NoHash : Convert.FromHexString(key.Hash);
        return CryptographicOperations.FixedTimeEquals(presented, expected) && key is not null;
    }
}
