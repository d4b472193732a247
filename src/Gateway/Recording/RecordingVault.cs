using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FinerCut.Gateway.Storage;
using Microsoft.AspNetCore.DataProtection;

namespace FinerCut.Gateway.Recording;

/// <summary>
/// Encrypts what is recorded (ASP.NET Data Protection: AES-256-CBC with HMAC-SHA256, keys that are renewed) and blinds the hashes of prompts, so that
/// a copy of the database tells nothing without the keys, not even whether a prompt that one guesses is in it. Thread-safe.
/// </summary>
public sealed class RecordingVault
{
    private readonly IDataProtector _protector;
    private readonly byte[] _pepper;

    /// <param name="protector">Of recordings alone.</param>
    /// <param name="pepper">Of the hashes; kept encrypted in the database.</param>
    private RecordingVault(IDataProtector protector, byte[] pepper) => (_protector, _pepper) = (protector, pepper);

    /// <summary>Keys lie in <paramref name="keysFolder"/>; who wants recordings unreadable without it puts it elsewhere.</summary>
    public static RecordingVault Open(SqliteFile database, string keysFolder)
    {
        var folder = OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(keysFolder)
            : Directory.CreateDirectory(keysFolder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return Open(database, DataProtectionProvider.Create(folder, builder => builder.SetApplicationName("FinerCut.Gateway")));
    }

    internal static RecordingVault Open(SqliteFile database, IDataProtectionProvider provider)
    {
        ArgumentNullException.ThrowIfNull(database);
        var protector = provider.CreateProtector("FinerCut.Gateway.Recordings.v1");
        if (database.Query("SELECT value FROM vault WHERE name = 'pepper'", row => row.GetFieldValue<byte[]>(0)) is [var kept, ..])
        {
            return new RecordingVault(protector, Unprotect(protector, kept));
        }

        var pepper = RandomNumberGenerator.GetBytes(32);
        database.Execute("INSERT INTO vault (name, value) VALUES ('pepper', $value)", ("$value", protector.Protect(pepper)));
        return new RecordingVault(protector, pepper);
    }

    public byte[] Blind(byte[] promptHash) => HMACSHA256.HashData(_pepper, promptHash);

    public byte[] Seal(Conversation conversation)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        return _protector.Protect(JsonSerializer.SerializeToUtf8Bytes(new Content(conversation.Messages, conversation.Prompt, conversation.Answer)));
    }

    /// <exception cref="RecordingKeyException">The keys are not those it was sealed with.</exception>
    public (string? Messages, string? Prompt, string Answer) Unseal(byte[] content)
    {
        var read = JsonSerializer.Deserialize<Content>(Encoding.UTF8.GetString(Unprotect(_protector, content)))!;
        return (read.Messages, read.Prompt, read.Answer);
    }

    private static byte[] Unprotect(IDataProtector protector, byte[] sealedBytes)
    {
        try
        {
            return protector.Unprotect(sealedBytes);
        }
        catch (CryptographicException exception)
        {
            throw new RecordingKeyException("Recorded traffic cannot be decrypted: its keys (Recording:KeysPath) are not there, or the file was changed. Bring the keys back, or delete recordings.db of the state folder.", exception);
        }
    }

    private sealed record Content(string? Messages, string? Prompt, string Answer);
}

public sealed class RecordingKeyException(string message, Exception cause) : Exception(message, cause);
