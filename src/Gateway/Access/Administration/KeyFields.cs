using System.Collections.Immutable;
using System.Text.Json;
using FinerCut.Gateway.Access.Keys;

namespace FinerCut.Gateway.Access.Administration;

/// <summary>
/// From the body of POST and PATCH /admin/keys to a key. Pure. Members that are absent leave what is there; null clears a limit or the expiry.
/// All that is wrong is said at once, with path and what is allowed.
/// </summary>
public static class KeyFields
{
    private const int LongestName = 100;
    private const int MostModels = 100;
    private static readonly string Words = string.Join(", ", Enum.GetValues<Grants>().Where(grant => grant != Grants.None).Select(WordOf));

    public static string WordOf(Grants grant) => grant.ToString().ToLowerInvariant();

    /// <summary>The single grants of a set, as words.</summary>
    public static ImmutableArray<string> WordsOf(Grants grants) =>
        [.. Enum.GetValues<Grants>().Where(grant => grant is not Grants.None and not Grants.Inference && grants.HasFlag(grant)).Select(WordOf)];

    /// <returns>The key, or what is wrong.</returns>
    public static (AccessKey? Key, IReadOnlyList<string> Errors) Apply(JsonElement body, AccessKey key, DateTimeOffset now)
    {
        var errors = new List<string>();
        if (body.ValueKind != JsonValueKind.Object) return (null, ["the body: expected a JSON object"]);
        foreach (var member in body.EnumerateObject()) key = Apply(member, key, now, errors);
        if (string.IsNullOrWhiteSpace(key.Name)) errors.Add("name: expected a text by which people know the key");
        return errors.Count == 0 ? (key, errors) : (null, errors);
    }

    private static AccessKey Apply(JsonProperty member, AccessKey key, DateTimeOffset now, List<string> errors)
    {
        var value = member.Value;
        switch (member.Name)
        {
            case "name":
                return key with { Name = Text(value, "name", LongestName, errors) ?? key.Name };
            case "expires_at":
                return key with { ExpiresAt = Instant(value, now, errors) };
            case "disabled":
                return key with { Disabled = Flag(value, "disabled", errors) };
            case "recording":
                return key with { Recording = Flag(value, "recording", errors) };
            case "weight":
                return key with { Weight = (int)(Number(value, "weight", 1, 1000, errors) ?? 1) };
            case "priority":
                return key with { Priority = Priority(value, errors) ?? key.Priority };
            case "scopes":
                return key with { Scopes = key.Scopes with { Grants = ReadGrants(value, errors) } };
            case "models":
                return key with { Scopes = key.Scopes with { Models = ReadModels(value, errors) } };
            case "limits":
                return key with { Limits = ReadLimits(value, key.Limits, errors) };
            default:
                errors.Add($"{member.Name}: unknown member; known are name, expires_at, disabled, recording, weight, priority, scopes, models and limits");
                return key;
        }
    }

    private static KeyLimits ReadLimits(JsonElement value, KeyLimits limits, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.Null) return KeyLimits.None;
        if (value.ValueKind != JsonValueKind.Object)
        {
            errors.Add("limits: expected an object or null");
            return limits;
        }

        foreach (var member in value.EnumerateObject())
        {
            var path = "limits." + member.Name;
            limits = member.Name switch
            {
                "requests_per_minute" => limits with { RequestsPerMinute = Number(member.Value, path, 0, 1_000_000_000, errors) },
                "tokens_per_minute" => limits with { TokensPerMinute = Number(member.Value, path, 0, 1_000_000_000_000, errors) },
                "concurrency" => limits with { Concurrency = (int?)Number(member.Value, path, 0, 10_000, errors) },
                "tokens_per_day" => limits with { TokensPerDay = Number(member.Value, path, 0, 1_000_000_000_000, errors) },
                _ => Unknown(limits, path, errors),
            };
        }

        return limits;
    }

    private static KeyLimits Unknown(KeyLimits limits, string path, List<string> errors)
    {
        errors.Add($"{path}: unknown member; known are requests_per_minute, tokens_per_minute, concurrency and tokens_per_day");
        return limits;
    }

    private static Grants ReadGrants(JsonElement value, List<string> errors)
    {
        var grants = Grants.None;
        foreach (var word in Texts(value, "scopes", errors))
        {
            if (Enum.TryParse<Grants>(word, ignoreCase: true, out var grant) && WordOf(grant) == word && grant != Grants.None) grants |= grant;
            else errors.Add($"scopes: \"{word}\" is none of {Words}");
        }

        return grants;
    }

    private static ImmutableArray<string> ReadModels(JsonElement value, List<string> errors)
    {
        var models = Texts(value, "models", errors);
        if (models.Length > MostModels) errors.Add($"models: expected at most {MostModels}");
        if (models.Any(model => model.Length is 0 or > 128)) errors.Add("models: expected ids or globs of 1 to 128 letters");
        return models;
    }

    private static ImmutableArray<string> Texts(JsonElement value, string path, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)) return [.. value.EnumerateArray().Select(item => item.GetString()!)];
        errors.Add($"{path}: expected an array of texts");
        return [];
    }

    private static PriorityClass? Priority(JsonElement value, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            switch (value.GetString())
            {
                case "low": return PriorityClass.Low;
                case "normal": return PriorityClass.Normal;
                case "high": return PriorityClass.High;
                default: break;
            }
        }

        errors.Add("priority: expected low, normal or high");
        return null;
    }

    private static DateTimeOffset? Instant(JsonElement value, DateTimeOffset now, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.Null) return null;
        if (value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var instant) && instant > now) return instant.ToUniversalTime();
        errors.Add("expires_at: expected an instant in the future such as 2030-01-31T00:00:00Z, or null for never");
        return null;
    }

    private static string? Text(JsonElement value, string path, int longest, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.String && value.GetString()!.Trim() is { Length: > 0 } text && text.Length <= longest && !text.Any(char.IsControl)) return text;
        errors.Add($"{path}: expected a text of 1 to {longest} letters");
        return null;
    }

    private static bool Flag(JsonElement value, string path, List<string> errors)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) errors.Add($"{path}: expected true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    private static long? Number(JsonElement value, string path, long least, long most, List<string> errors)
    {
        if (value.ValueKind == JsonValueKind.Null && path != "weight") return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most) return number;
        errors.Add($"{path}: expected a whole number from {least} to {most}{(path == "weight" ? "" : ", or null for no limit")}");
        return null;
    }
}
