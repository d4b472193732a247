using System.Text.Json;
using System.Text.Json.Serialization;

namespace FinerCut.Worker.Grammars;

[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(string))]
internal sealed partial class SpellingJson : JsonSerializerContext
{
    /// <summary>Letters beyond ASCII as they are: a model writes them so.</summary>
    public static SpellingJson Relaxed { get; } = new(new JsonSerializerOptions(JsonSpelling.Relaxed));
}
