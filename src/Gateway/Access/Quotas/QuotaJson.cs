using System.Text.Json;
using System.Text.Json.Serialization;
using System.Collections.Immutable;

namespace FinerCut.Gateway.Access.Quotas;

/// <summary>The stored form of <see cref="QuotaState"/>. Windows are flat lists: second, amount, second, amount.</summary>
public static class QuotaJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new WindowConverter() },
    };

    public static string Write(QuotaState state) => JsonSerializer.Serialize(state, Options);

    /// <exception cref="InvalidDataException">The text is not a state.</exception>
    public static QuotaState Read(string key, string text)
    {
        try
        {
            return JsonSerializer.Deserialize<QuotaState>(text, Options) ?? throw new JsonException("null");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"quota_states, key_id = {key}: expected the JSON of a quota state; delete the row to start its counts anew.", exception);
        }
    }

    private sealed class WindowConverter : JsonConverter<SlidingWindow>
    {
        public override SlidingWindow Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.StartArray) throw new JsonException();
            var buckets = ImmutableArray.CreateBuilder<WindowBucket>();
            while (reader.Read() && reader.TokenType == JsonTokenType.Number)
            {
                var second = reader.GetInt64();
                if (!reader.Read()) throw new JsonException();
                buckets.Add(new WindowBucket(second, reader.GetInt64()));
            }

            if (reader.TokenType != JsonTokenType.EndArray) throw new JsonException();
            return new SlidingWindow(buckets.ToImmutable());
        }

        public override void Write(Utf8JsonWriter writer, SlidingWindow value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            foreach (var bucket in value.Buckets)
            {
                writer.WriteNumberValue(bucket.Second);
                writer.WriteNumberValue(bucket.Amount);
            }

            writer.WriteEndArray();
        }
    }
}
