using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>
/// Reads one section: every key is asked for by name, which also makes it known; <see cref="RefuseUnknown"/> then reports the rest.
/// Wrong values add an error and yield the default, so that one run finds all errors.
/// </summary>
internal sealed class SectionReader(IConfiguration section, string path, List<ConfigError> errors)
{
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<SectionReader> _children = [];

    public string PathOf(string key) => path.Length == 0 ? key : path + ":" + key;

    public void Error(string key, string? value, string expected) => errors.Add(new ConfigError(PathOf(key), value, expected));

    public void Allow(string key) => _known.Add(key);

    public SectionReader Section(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (!string.IsNullOrEmpty(child.Value)) Error(key, child.Value, "expected a section with keys, not a value");
        var reader = new SectionReader(child, PathOf(key), errors);
        _children.Add(reader);
        return reader;
    }

    /// <summary>The children of a section whose keys are the user's own names.</summary>
    public IReadOnlyList<(string Name, SectionReader Reader)> Named(string key)
    {
        _known.Add(key);
        var named = section.GetSection(key).GetChildren()
            .Select(child => (child.Key, Reader: new SectionReader(child, PathOf(key) + ":" + child.Key, errors))).ToList();
        _children.AddRange(named.Select(child => child.Reader));
        return named;
    }

    public string? Text(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (child.Value is null && child.GetChildren().Any()) Error(key, null, "expected a single value, found a section");
        return string.IsNullOrWhiteSpace(child.Value) ? null : child.Value.Trim();
    }

    public bool Flag(string key, bool otherwise)
    {
        var text = Text(key);
        if (text is null) return otherwise;
        if (bool.TryParse(text, out var value)) return value;
        Error(key, text, "expected true or false");
        return otherwise;
    }

    public int Integer(string key, int otherwise, int min, int max) => (int)Long(key, otherwise, min, max);

    public long Long(string key, long otherwise, long min, long max)
    {
        var text = Text(key);
        if (text is null) return otherwise;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }

        Error(key, text, $"expected a whole number from {min} to {max}");
        return otherwise;
    }

    public double Number(string key, double otherwise, double min, double max)
    {
        var text = Text(key);
        if (text is null) return otherwise;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max) return value;
        Error(key, text, string.Create(CultureInfo.InvariantCulture, $"expected a number from {min} to {max}"));
        return otherwise;
    }

    /// <summary>A name of the enumeration, in any case.</summary>
    public T Word<T>(string key, T otherwise) where T : struct, Enum
    {
        var text = Text(key);
        if (text is null) return otherwise;
        if (Enum.GetNames<T>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } found) return Enum.Parse<T>(found);
        Error(key, text, $"expected one of {string.Join(", ", Enum.GetNames<T>())}");
        return otherwise;
    }

    public TimeSpan Seconds(string key, double otherwise, double min, double max)
    {
        var text = Text(key);
        if (text is null) return TimeSpan.FromSeconds(otherwise);
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return TimeSpan.FromSeconds(value);
        }

        Error(key, text, $"expected seconds from {min} to {max}");
        return TimeSpan.FromSeconds(otherwise);
    }

    public void RefuseUnknown()
    {
        foreach (var key in section.GetChildren().Select(child => child.Key).Where(key => !_known.Contains(key)))
        {
            var nearest = NearestName.To(key, _known);
            Error(key, section.GetSection(key).Value, nearest is null
                ? $"unknown key; known here: {string.Join(", ", _known.Order(StringComparer.Ordinal))}"
                : $"unknown key; did you mean {PathOf(nearest)}?");
        }

        foreach (var child in _children) child.RefuseUnknown();
    }
}
