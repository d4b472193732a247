using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace FinerCut.Gateway.Routing;

/// <summary>Deals requests to a version on trial: by a hash, so that what belongs together stays together, also over restarts. Pure.</summary>
public static class Dealing
{
    /// <summary>Whether the trial's version is to answer. A higher weight takes those of a lower one and more.</summary>
    public static bool Takes(this TrialShare share, RoutedRequest request)
    {
        ArgumentNullException.ThrowIfNull(share);
        ArgumentNullException.ThrowIfNull(request);
        return share.Weight >= 1 || (share.Weight > 0 && Ticket(share.Salt, request.Sender, share.Sticky == StickyBy.Key ? default : request.Body.Bytes) < share.Weight);
    }

    /// <summary>Uniform in [0, 1), the same for the same salt, sender and opening of the conversation.</summary>
    internal static double Ticket(string salt, string sender, ReadOnlyMemory<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{salt}\0{sender}\0"));
        var parts = new List<Range>();
        try
        {
            FindOpening(body, parts);
        }
        catch (InvalidOperationException)
        {
            // A name or role of half a character pair: the worker refuses it, whichever it is dealt to.
        }

        foreach (var part in parts) hash.AppendData(body.Span[part]);
        return (BinaryPrimitives.ReadUInt64LittleEndian(hash.GetHashAndReset()) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>Where in a body the parts are that all turns of its conversation share: the messages up to the user's first, or the prompt.</summary>
    /// <exception cref="InvalidOperationException">A string is no text.</exception>
    private static void FindOpening(ReadOnlyMemory<byte> body, List<Range> parts)
    {
        if (body.IsEmpty) return;
        var reader = new Utf8JsonReader(body.Span, new JsonReaderOptions { MaxDepth = 128 });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var messages = reader.ValueTextEquals("messages"u8);
            var wanted = messages || reader.ValueTextEquals("prompt"u8) || reader.ValueTextEquals("input"u8);
            reader.Read();
            if (wanted && reader.TokenType == JsonTokenType.StartArray)
            {
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    if (Element(ref reader, parts)) break;
                }

                return;
            }

            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (!wanted) continue;
            parts.Add(start..(int)reader.BytesConsumed);
            return;
        }
    }

    /// <returns>Whether it is the user's.</returns>
    private static bool Element(ref Utf8JsonReader reader, List<Range> parts)
    {
        var start = (int)reader.TokenStartIndex;
        var isUsers = reader.TokenType != JsonTokenType.StartObject;
        if (!isUsers)
        {
            var depth = reader.CurrentDepth;
            while (reader.Read() && !(reader.TokenType == JsonTokenType.EndObject && reader.CurrentDepth == depth))
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != depth + 1) continue;
                var isRole = reader.ValueTextEquals("role"u8);
                reader.Read();
                isUsers |= isRole && reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("user"u8);
                reader.Skip();
            }
        }

        parts.Add(start..(int)reader.BytesConsumed);
        return isUsers;
    }
}
