using System.CommandLine;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Configuration;

namespace FinerCut.Gateway.Commands;

/// <summary>Settings as options of the command line, as help and completion show them: one each key of <see cref="ConfigSchema"/>, with unit, range and default.</summary>
internal static class SettingsOptions
{
    /// <summary>What holds where a text is not given: texts without a fixed default.</summary>
    private static readonly Dictionary<string, string> Absent = new(StringComparer.Ordinal)
    {
        ["Access:Key"] = "none: only keys that were made (docs/access.md)",
        ["Access:Postgres"] = "none: keys and counts lie in the state folder",
        ["Admin:Key"] = "made at the first start, in admin.key of the state folder",
        ["Cluster:Name"] = "the machine's name",
        ["Cluster:Postgres"] = "that of Access:Postgres",
        ["Cluster:Redis"] = "none: all is kept in PostgreSQL",
        ["Cluster:Secret"] = "none: Cluster:Tls is needed then",
        ["Cluster:Tls:Authority"] = "none: no TLS",
        ["Cluster:Tls:Certificate"] = "none: no TLS",
        ["Cluster:Tls:Key"] = "none: no TLS",
        ["Logging:LogLevel:Default"] = "Information",
        ["Models:<id>:Destinations:<id>:ApiKey"] = "none is sent",
        ["Models:<id>:Destinations:<id>:Url"] = "must be given",
        ["Models:<id>:Path"] = "must be given where there are no Destinations",
        ["Models:<id>:Sha256"] = "any",
        ["Recording:KeysPath"] = "keys/ in the state folder",
        ["Redaction:Rules:<id>:Pattern"] = "must be given",
        ["State:Path"] = "state",
        ["Telemetry:Otlp:Endpoint"] = "none: nothing is sent",
        ["Telemetry:Otlp:Headers"] = "none",
        ["Worker:Path"] = "worker/ beside this program",
    };

    /// <summary>Values that are no quantity.</summary>
    private static readonly Dictionary<string, string> Special = new(StringComparer.Ordinal)
    {
        ["Access:Queue:Places"] = "0: twice the model's Parallel",
        ["Cluster:Scorers"] = "0: none",
        ["Jobs:GpuLayers"] = "-1: all",
        ["Jobs:Threads"] = "0: the machine's processors",
        ["Listen:Port"] = "0: any free one",
        ["Memory:LimitBytes"] = "0: the machine's, or its control group's",
        ["Models:<id>:Device:GpuLayers"] = "-1: all",
        ["Models:<id>:HedgeAfterSeconds"] = "0: never",
        ["Models:<id>:Rollout:MinAgreement"] = "0: measured only",
        ["Models:<id>:Rollout:ShadowShare"] = "0: none",
        ["Models:<id>:Threads"] = "0: the machine's processors",
        ["Models:<id>:UnloadAfterSeconds"] = "0: never",
    };

    private static readonly (string End, string Unit)[] Units =
    [
        ("Seconds", "Seconds"), ("Bytes", "Bytes"), ("Tokens", "Tokens"), ("ContextSize", "Tokens"), ("Threads", "Threads"), ("Layers", "Layers"), ("Conversations", "Conversations"), ("Places", "Requests"),
        ("Parallel", "Requests"), ("MaxConcurrent", "Requests"), ("Queue:Length", "Requests"), ("LengthPerKey", "Requests"), ("Weight", "A share"), ("Share", "A share"), ("MinAgreement", "A share"),
    ];

    public static IReadOnlyList<Option> All { get; } = [.. Keys("", JsonNode.Parse(ConfigSchema.Text)!).Select(key => new Option<string>("--" + key.Path) { Description = Describe(key.Path, key.Facts), HelpName = "value" })];

    /// <summary>Parts <c>--Section:Key value</c> and <c>--Section:Key=value</c> from the rest.</summary>
    public static (string[] Own, string[] Settings) Split(IReadOnlyList<string> arguments)
    {
        List<string> own = [], settings = [];
        for (var at = 0; at < arguments.Count; at++)
        {
            var isSetting = arguments[at].StartsWith("--", StringComparison.Ordinal) && arguments[at].Split('=')[0].Contains(':', StringComparison.Ordinal);
            (isSetting ? settings : own).Add(arguments[at]);
            if (isSetting && !arguments[at].Contains('=', StringComparison.Ordinal) && at + 1 < arguments.Count) settings.Add(arguments[++at]);
        }

        return ([.. own], [.. settings]);
    }

    private static IEnumerable<(string Path, JsonNode Facts)> Keys(string path, JsonNode node)
    {
        if ((string?)node["type"] != "object") return path is "$schema" ? [] : [(path == "Logging" ? "Logging:LogLevel:Default" : path, node)];
        var members = node["properties"]?.AsObject().SelectMany(member => Keys(Join(path, member.Key), member.Value!)) ?? [];
        var named = node["additionalProperties"] is JsonObject others ? Keys(Join(path, "<id>"), others) : [];
        return members.Concat(named);
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : path + ":" + name;

    private static string Describe(string path, JsonNode facts)
    {
        var unit = Units.FirstOrDefault(known => path.EndsWith(known.End, StringComparison.Ordinal)).Unit ?? "A number";
        var what = facts["enum"] is JsonArray words ? string.Join(" or ", words.Select(word => word!.ToString()))
            : (string?)facts["type"] is "integer" or "number" ? $"{unit} from {facts["minimum"]} to {facts["maximum"]}"
            : (string?)facts["type"] == "boolean" ? "true or false"
            : "A text";
        return $"{what}{(Special.GetValueOrDefault(path) is { } special ? $"; {special}" : "")} [default: {facts["default"]?.ToString() ?? Absent.GetValueOrDefault(path, "none")}]";
    }
}
