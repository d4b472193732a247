using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace FinerCut.Worker.OpenAi;

/// <summary>
/// Reads the members of one JSON object and collects every fault instead of stopping at the first. A member that nobody asked for is a fault
/// too: nothing is ignored silently. Null counts as absent. Not thread-safe.
/// </summary>
public sealed class FieldReader
{
    private readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);
    private readonly List<FieldFault> _faults;
    private readonly string _prefix;

    public FieldReader(JsonElement body)
        : this(body, "", [])
    {
    }

    private FieldReader(JsonElement value, string prefix, List<FieldFault> faults)
    {
        _prefix = prefix;
        _faults = faults;
        if (value.ValueKind != JsonValueKind.Object)
        {
            var path = prefix.TrimEnd('.');
            faults.Add(new FieldFault(path, $"{(path.Length == 0 ? "The body" : $"'{path}'")} must be an object, not {Kind(value)}.", "invalid_type"));
            return;
        }

        foreach (var member in value.EnumerateObject())
        {
            if (member.Value.ValueKind != JsonValueKind.Null) _members[member.Name] = member.Value;
            else _asked.Add(member.Name);
        }
    }

    public bool HasFaults => _faults.Count > 0;

    /// <summary>The member as it stands, null where absent.</summary>
    public JsonElement? Any(string name)
    {
        _asked.Add(name);
        return _members.TryGetValue(name, out var value) ? value : null;
    }

    public double? Number(string name, double least, double most)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most) return number;
        Fault(name, $"must be a number from {Text(least)} to {Text(most)}{Was(value)}.", Code(value, JsonValueKind.Number));
        return null;
    }

    public long? Integer(string name, long least, long most)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Number && TryGetWhole(value, out var number) && number >= least && number <= most) return number;
        Fault(name, $"must be a whole number from {least} to {most}{Was(value)}.", Code(value, JsonValueKind.Number));
        return null;
    }

    public bool? Flag(string name)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        Fault(name, $"must be true or false{Was(value)}.", "invalid_type");
        return null;
    }

    public string? Text(string name)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String) return Decode(name, value);
        Fault(name, $"must be a string, not {Kind(value)}.", "invalid_type");
        return null;
    }

    /// <summary>A string out of a fixed set.</summary>
    public string? Word(string name, params ReadOnlySpan<string> allowed)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String)
        {
            foreach (var word in allowed)
            {
                if (value.ValueEquals(word)) return word;
            }
        }

        Fault(name, $"must be one of {string.Join(", ", allowed.ToArray().Select(word => $"\"{word}\""))}.", "invalid_value");
        return null;
    }

    /// <summary>A string or an array of strings, none of them empty.</summary>
    public ImmutableArray<string> Texts(string name, int most, int longest)
    {
        if (Any(name) is not { } value) return [];
        JsonElement[] items = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : [value];
        if (items.Length > most)
        {
            Fault(name, $"takes at most {most} strings, not {items.Length}.", "invalid_value");
            return [];
        }

        var texts = ImmutableArray.CreateBuilder<string>(items.Length);
        for (var i = 0; i < items.Length; i++)
        {
            var path = value.ValueKind == JsonValueKind.Array ? $"{name}[{i}]" : name;
            if (items[i].ValueKind != JsonValueKind.String)
            {
                Fault(path, $"must be a string, not {Kind(items[i])}.", "invalid_type");
                continue;
            }

            var text = Decode(path, items[i]);
            if (text is { Length: 0 } || text?.Length > longest) Fault(path, $"must have 1 to {longest} characters, not {text.Length}.", "invalid_value");
            else if (text is not null) texts.Add(text);
        }

        return texts.ToImmutable();
    }

    public FieldReader? Object(string name) => Any(name) is { } value ? new FieldReader(value, $"{_prefix}{name}.", _faults) : null;

    /// <summary>Members of an array that must be objects; null where the member is absent.</summary>
    public ImmutableArray<FieldReader>? Objects(string name)
    {
        if (Any(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Array)
            return [.. value.EnumerateArray().Select((item, i) => new FieldReader(item, $"{_prefix}{name}[{i}].", _faults))];
        Fault(name, $"must be an array, not {Kind(value)}.", "invalid_type");
        return null;
    }

    /// <summary>Members that clients send and that change nothing here.</summary>
    public void Accept(params ReadOnlySpan<string> names)
    {
        foreach (var name in names) _asked.Add(name);
    }

    /// <summary>A member that would change the result and is not done here: refused unless it has a value that asks for nothing.</summary>
    public void Refuse(string name, string allowed, Func<JsonElement, bool>? harmless = null)
    {
        if (Any(name) is not { } value || harmless?.Invoke(value) == true) return;
        Fault(name, $"is not supported here. Allowed: {allowed}.", "unsupported_parameter");
    }

    public void Fault(string name, string what, string code) =>
        _faults.Add(new FieldFault(_prefix + name, $"'{_prefix}{name}' {what}", code));

    /// <summary>Turns every member that was not asked for into a fault.</summary>
    public void Close()
    {
        foreach (var name in _members.Keys)
        {
            if (!_asked.Contains(name)) Fault(name, "is not a field of this endpoint. Leave it out.", "unknown_parameter");
        }
    }

    /// <exception cref="ApiException">There were faults: 400 with all of them.</exception>
    public void ThrowIfFaulty()
    {
        if (_faults.Count > 0) throw new ApiException(FieldFaults.ToError([.. _faults]));
    }

    public static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };

    /// <summary>Whole numbers however they are written: 16, 16.0 and 1.6e1 are the same.</summary>
    public static bool TryGetWhole(JsonElement value, out long number)
    {
        if (value.TryGetInt64(out number)) return true;
        if (!value.TryGetDouble(out var real) || real != Math.Floor(real) || Math.Abs(real) > 1L << 53) return false;
        number = (long)real;
        return true;
    }

    /// <summary>JSON may spell half a surrogate pair, which is no text.</summary>
    internal string? Decode(string name, JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            Fault(name, "is not valid Unicode: a surrogate stands alone.", "invalid_value");
            return null;
        }
    }

    private static string Code(JsonElement value, JsonValueKind wanted) => value.ValueKind == wanted ? "invalid_value" : "invalid_type";

    /// <summary>Numbers are named in the message; text never is, since it may be a prompt.</summary>
    private static string Was(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number when value.GetRawText() is { Length: <= 40 } raw => $", not {raw}",
        JsonValueKind.Number => "",
        _ => $", not {Kind(value)}",
    };

    private static string Text(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);
}
