using System.Globalization;
using System.Text.Json.Nodes;
using FinerCut.Words;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>
/// Reads one section: every key is asked for by name, which also makes it known; <see cref="RefuseUnknown"/> then reports the rest.
/// Wrong values add an error and yield the default, so that one run finds all errors. With a schema, what is asked for is described there as well.
/// </summary>
internal sealed class SectionReader(IConfiguration section, string path, List<ConfigError> errors, SchemaNode? schema = null)
{
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<SectionReader> _children = [];

    public string PathOf(string key) => path.Length == 0 ? key : path + ":" + key;

    public void Error(string key, string? value, string expected) => errors.Add(new ConfigError(PathOf(key), value, expected));

    public void Allow(string key)
    {
        _known.Add(key);
        schema?.Add(key, SchemaNode.Any());
    }

    public SectionReader Section(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (!string.IsNullOrEmpty(child.Value)) Error(key, child.Value, "expected a section with keys, not a value");
        var reader = new SectionReader(child, PathOf(key), errors, schema?.Add(key, SchemaNode.Object()));
        _children.Add(reader);
        return reader;
    }

    /// <summary>The children of a section whose keys are the user's own names.</summary>
    public IReadOnlyList<(string Name, SectionReader Reader)> Named(string key)
    {
        _known.Add(key);
        // A description has no names yet: one reader stands for all.
        if (schema is not null) return [("any", new SectionReader(section.GetSection("any"), PathOf(key) + ":any", errors, schema.Add(key, SchemaNode.Object()).AddNamed()))];
        var named = section.GetSection(key).GetChildren()
            .Select(child => (child.Key, Reader: new SectionReader(child, PathOf(key) + ":" + child.Key, errors))).ToList();
        _children.AddRange(named.Select(child => child.Reader));
        return named;
    }

    public string? Text(string key)
    {
        Describe(key, new JsonObject { ["type"] = "string" });
        return Value(key);
    }

    public string Text(string key, string otherwise)
    {
        Describe(key, new JsonObject { ["type"] = "string", ["default"] = otherwise });
        return Value(key) ?? otherwise;
    }

    public bool Flag(string key, bool otherwise)
    {
        Describe(key, new JsonObject { ["type"] = "boolean", ["default"] = otherwise });
        var text = Value(key);
        if (text is null) return otherwise;
        if (bool.TryParse(text, out var value)) return value;
        Error(key, text, "expected true or false");
        return otherwise;
    }

    public int Integer(string key, int otherwise, int min, int max) => (int)Long(key, otherwise, min, max);

    public long Long(string key, long otherwise, long min, long max)
    {
        Describe(key, new JsonObject { ["type"] = "integer", ["minimum"] = min, ["maximum"] = max, ["default"] = otherwise });
        var text = Value(key);
        if (text is null) return otherwise;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }

        Error(key, text, $"expected a whole number from {min} to {max}");
        return otherwise;
    }

    public double Number(string key, double otherwise, double min, double max) => Number(key, otherwise, min, max, "a number");

    /// <summary>A name of the enumeration, in any case.</summary>
    public T Word<T>(string key, T otherwise) where T : struct, Enum
    {
        var names = Enum.GetNames<T>();
        Describe(key, new JsonObject { ["enum"] = new JsonArray([.. names.Select(name => (JsonNode?)name)]), ["default"] = otherwise.ToString() });
        var text = Value(key);
        if (text is null) return otherwise;
        if (names.FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } found) return Enum.Parse<T>(found);
        Error(key, text, $"expected one of {string.Join(", ", names)}");
        return otherwise;
    }

    public TimeSpan Seconds(string key, double otherwise, double min, double max) => TimeSpan.FromSeconds(Number(key, otherwise, min, max, "seconds"));

    public void RefuseUnknown()
    {
        foreach (var key in section.GetChildren().Select(child => child.Key).Where(key => !_known.Contains(key)))
        {
            var nearest = NearestName.To(key, _known) is { } here ? PathOf(here) : Within(key);
            Error(key, section.GetSection(key).Value, nearest is null
                ? $"unknown key; known here: {string.Join(", ", _known.Order(StringComparer.Ordinal))}"
                : $"unknown key; did you mean {nearest}?");
        }

        foreach (var child in _children) child.RefuseUnknown();
    }

    /// <summary>The paths of keys of that name further in, such as Listen:Port for port.</summary>
    private string? Within(string key)
    {
        string[] paths = [.. _children
            .Select(child => child._known.FirstOrDefault(name => name.Equals(key, StringComparison.OrdinalIgnoreCase)) is { } name ? child.PathOf(name) : child.Within(key))
            .OfType<string>().OrderDescending(StringComparer.Ordinal)];
        return paths.Length == 0 ? null : string.Join(" or ", paths);
    }

    private double Number(string key, double otherwise, double min, double max, string what)
    {
        Describe(key, new JsonObject { ["type"] = "number", ["minimum"] = min, ["maximum"] = max, ["default"] = otherwise });
        var text = Value(key);
        if (text is null) return otherwise;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max) return value;
        Error(key, text, string.Create(CultureInfo.InvariantCulture, $"expected {what} from {min} to {max}"));
        return otherwise;
    }

    private string? Value(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (child.Value is null && child.GetChildren().Any()) Error(key, null, "expected a single value, found a section");
        return string.IsNullOrWhiteSpace(child.Value) ? null : child.Value.Trim();
    }

    private void Describe(string key, JsonObject facts) => schema?.Add(key, new SchemaNode(facts));
}
