using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>The JSON schema of appsettings.json. It is what <see cref="GatewayConfigReader"/> asks for when it reads: there is no second definition.</summary>
public static class ConfigSchema
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    public static string Text { get; } = Build().ToJsonString(Indented) + "\n";

    private static JsonObject Build()
    {
        var root = SchemaNode.Object();
        GatewayConfigReader.Describe(new SectionReader(new ConfigurationBuilder().Build(), "", [], root));
        var schema = root.ToJson();
        schema.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");
        schema.Insert(1, "title", "FinerCut.Gateway settings");
        return schema;
    }
}

/// <summary>What a reader asked for: one value, or a section with members.</summary>
internal sealed class SchemaNode(JsonObject facts)
{
    private readonly SortedDictionary<string, SchemaNode> _members = new(StringComparer.Ordinal);
    private SchemaNode? _others;

    public static SchemaNode Object() => new(new JsonObject { ["type"] = "object" });

    public static SchemaNode Any() => new([]);

    public SchemaNode Add(string name, SchemaNode member) => _members[name] = member;

    /// <summary>Members whose names are the user's own.</summary>
    public SchemaNode AddNamed() => _others ??= Object();

    public JsonObject ToJson()
    {
        var json = (JsonObject)facts.DeepClone();
        if ((string?)json["type"] != "object") return json;
        if (_members.Count > 0) json["properties"] = new JsonObject(_members.Select(member => KeyValuePair.Create(member.Key, (JsonNode?)member.Value.ToJson())));
        json["additionalProperties"] = _others is null ? false : _others.ToJson();
        return json;
    }
}
