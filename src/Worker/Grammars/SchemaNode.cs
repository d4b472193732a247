using System.Text.Json;

namespace FinerCut.Worker.Grammars;

/// <summary>One schema within the document. Nodes of one <see cref="SchemaSource"/> are the same object where they are the same place.</summary>
internal sealed class SchemaNode
{
    private readonly SchemaSource _source;

    internal SchemaNode(int id, JsonElement value, string path, SchemaSource source)
    {
        Id = id;
        Value = value;
        Path = path;
        _source = source;
    }

    public int Id { get; }

    public JsonElement Value { get; }

    public string Path { get; }

    /// <summary>The schema "false": nothing holds.</summary>
    public bool IsNever => Value.ValueKind == JsonValueKind.False;

    public bool IsObject => Value.ValueKind == JsonValueKind.Object;

    public bool Has(string keyword) => IsObject && Value.TryGetProperty(keyword, out _);

    public JsonElement? Keyword(string keyword) => IsObject && Value.TryGetProperty(keyword, out var value) ? value : null;

    /// <summary>The schema under a keyword, null where absent.</summary>
    public SchemaNode? Child(string keyword) => Keyword(keyword) is { } value ? _source.Node(value, SchemaPath.Member(Path, keyword)) : null;

    /// <summary>The schemas in the array under a keyword.</summary>
    public IEnumerable<SchemaNode> Children(string keyword)
    {
        if (Keyword(keyword) is not { ValueKind: JsonValueKind.Array } array) return [];
        var path = SchemaPath.Member(Path, keyword);
        return array.EnumerateArray().Select((item, i) => _source.Node(item, $"{path}[{i}]"));
    }

    /// <summary>The schemas in the object under a keyword, by name; of a name given twice the last.</summary>
    public IEnumerable<KeyValuePair<string, SchemaNode>> Members(string keyword)
    {
        if (Keyword(keyword) is not { ValueKind: JsonValueKind.Object } members) yield break;
        var path = SchemaPath.Member(Path, keyword);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in members.EnumerateObject())
        {
            if (seen.Add(member.Name)) yield return new(member.Name, _source.Node(members.GetProperty(member.Name), SchemaPath.Member(path, member.Name)));
        }
    }

    public SchemaNode? Member(string keyword, string name) =>
        Keyword(keyword) is { ValueKind: JsonValueKind.Object } members && members.TryGetProperty(name, out var value)
            ? _source.Node(value, SchemaPath.Member(SchemaPath.Member(Path, keyword), name))
            : null;

    public SchemaNode? Target => Keyword("$ref") is { } target ? _source.Resolve(target.GetString()!, SchemaPath.Member(Path, "$ref")) : null;
}

/// <summary>How places in a schema are named: different places differently, whatever the names of properties are.</summary>
internal static class SchemaPath
{
    public static string Member(string path, string name) =>
        name.Length > 0 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '$' or '-')
            ? $"{path}.{name}"
            : $"{path}['{name.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}']";
}

/// <summary>A schema document: its places, and what local references point to.</summary>
internal sealed class SchemaSource
{
    private readonly Dictionary<string, SchemaNode> _nodes = new(StringComparer.Ordinal);
    private readonly JsonElement _document;
    private readonly string _path;
    private Dictionary<string, (JsonElement, string)>? _anchors;

    public SchemaSource(JsonElement document, string path)
    {
        _document = document;
        _path = path;
        Root = Node(document, path);
    }

    public SchemaNode Root { get; }

    public SchemaNode Node(JsonElement value, string path)
    {
        if (_nodes.TryGetValue(path, out var known)) return known;
        var node = new SchemaNode(_nodes.Count, value, path, this);
        SchemaKeywords.Check(node, isRoot: _nodes.Count == 0);
        return _nodes[path] = node;
    }

    public SchemaNode Resolve(string reference, string at)
    {
        if (!reference.StartsWith('#')) throw new SchemaRefusedException(at, "points outside of the schema; only local references (#/...) are taken.");
        var (value, path) = (_document, _path);
        var pointer = Uri.UnescapeDataString(reference[1..]);
        if (pointer.Length == 0) return Root;
        if (!pointer.StartsWith('/'))
        {
            _anchors ??= Anchors();
            return _anchors.TryGetValue(pointer, out var place)
                ? Node(place.Item1, place.Item2)
                : throw new SchemaRefusedException(at, "points to an $anchor that the schema does not have.");
        }

        foreach (var part in pointer[1..].Split('/'))
        {
            var name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty(name, out var member)) (value, path) = (member, SchemaPath.Member(path, name));
            else if (value.ValueKind == JsonValueKind.Array && int.TryParse(name, out var index) && index >= 0 && index < value.GetArrayLength())
                (value, path) = (value[index], $"{path}[{index}]");
            else throw new SchemaRefusedException(at, "points to nothing in this schema.");
        }

        return Node(value, path);
    }

    private Dictionary<string, (JsonElement, string)> Anchors()
    {
        var found = new Dictionary<string, (JsonElement, string)>(StringComparer.Ordinal);
        Find(_document, _path);
        return found;

        void Find(JsonElement value, string path)
        {
            if (value.ValueKind == JsonValueKind.Array)
            {
                var i = 0;
                foreach (var item in value.EnumerateArray()) Find(item, $"{path}[{i++}]");
            }

            if (value.ValueKind != JsonValueKind.Object) return;
            if (value.TryGetProperty("$anchor", out var anchor) && anchor.ValueKind == JsonValueKind.String) found.TryAdd(anchor.GetString()!, (value, path));
            foreach (var member in value.EnumerateObject()) Find(member.Value, SchemaPath.Member(path, member.Name));
        }
    }
}
