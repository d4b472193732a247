using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using FinerCut.Gateway.Rollout;

namespace FinerCut.Cluster.Models;

/// <summary>What is kept of a model: its versions, their history, weights of trials. Immutable; JSON in the cluster's database.</summary>
/// <param name="Epoch">Counts the owners that the model has had: tables of a later owner have higher numbers.</param>
internal sealed record ModelDocument(ModelRollout Rollout, ImmutableArray<VersionTransition> History, ImmutableDictionary<string, double> Weights, long Epoch)
{
    private const int LongestHistory = 1000;

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };

    public static ModelDocument Empty(string modelId) => new(ModelRollout.Empty(modelId), [], ImmutableDictionary<string, double>.Empty, 0);

    public static ModelDocument Read(string modelId, string json)
    {
        if (json.Length == 0) return Empty(modelId);
        var form = JsonSerializer.Deserialize<Form>(json, Options)!;
        var empty = ModelRollout.Empty(modelId);
        return new ModelDocument(
            empty with { Versions = empty.Versions.AddRange(form.Versions.Select(version => KeyValuePair.Create(version.Id, version))) },
            form.History,
            form.Weights,
            form.Epoch);
    }

    public string Write() => JsonSerializer.Serialize(new Form([.. Rollout.Versions.Values], History, Weights, Epoch), Options);

    /// <summary>With what the change made happen in the history.</summary>
    public ModelDocument With(RolloutChange change)
    {
        var history = History.AddRange(change.Transitions);
        return this with { Rollout = change.Next, History = history.Length > LongestHistory ? history[^LongestHistory..] : history };
    }

    private sealed record Form(ImmutableArray<VersionModel> Versions, ImmutableArray<VersionTransition> History, ImmutableDictionary<string, double> Weights, long Epoch);
}
