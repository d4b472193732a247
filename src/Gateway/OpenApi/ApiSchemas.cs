using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using FinerCut.Gateway.Admin;

namespace FinerCut.Gateway.OpenApi;

/// <summary>JSON schemas of what the admin endpoints read and write, made from the very types and options that they are written with. One component a type.</summary>
internal sealed class ApiSchemas
{
    private readonly JsonSchemaExporterOptions _options;
    private readonly SortedDictionary<string, JsonNode?> _components = new(StringComparer.Ordinal);

    public ApiSchemas() => _options = new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Apart };

    public IEnumerable<KeyValuePair<string, JsonNode?>> Components => _components;

    public JsonObject Reference(Type type)
    {
        if (_components.TryAdd(type.Name, null)) _components[type.Name] = WithoutNulls(AdminJson.Options.GetJsonSchemaAsNode(type, _options));
        return new JsonObject { ["$ref"] = "#/components/schemas/" + type.Name };
    }

    /// <summary>What is null is not written, so what may be null is not required.</summary>
    private static JsonNode WithoutNulls(JsonNode schema)
    {
        if (schema["required"] is not JsonArray required || schema["properties"] is not JsonObject properties) return schema;
        foreach (var name in required.ToArray())
        {
            var property = properties[(string)name!];
            if ((property?["type"] is JsonArray types && types.Any(type => (string?)type == "null")) || (property?["enum"] is JsonArray words && words.Any(word => word is null))) required.Remove(name);
        }

        return schema;
    }

    /// <summary>Objects within objects are components of their own; what a schema holds twice would otherwise point into itself.</summary>
    private JsonNode Apart(JsonSchemaExporterContext context, JsonNode schema) =>
        context.TypeInfo.Kind == JsonTypeInfoKind.Object && !context.Path.IsEmpty && context.TypeInfo.Type != typeof(object) ? Reference(Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type) : schema;
}
