using System.Text.Json.Nodes;

namespace FinerCut.Tests.Serving;

/// <summary>
/// Whether two greedy answers are the same but for rounding. Logits depend on what is computed beside them (BatchShapeTests in LlamaRuntime.Tests), so two
/// runs may part where two tokens are as good as equally likely. Up to there the same tokens must have been equally likely in both, each with the same
/// alternatives; what another sequence, another strength or a wrong position computes is far off that.
/// </summary>
internal static class Rounding
{
    /// <summary>Bound of a log-probability's difference for F32 weights; BatchShapeTests finds less than 0.02.</summary>
    public const double OfFloats = 0.05;

    /// <summary>For quantised weights: activations are rounded to 8 bits, and one that falls to the other side moves a logit by up to 0.14 there.</summary>
    public const double OfQuants = 0.5;

    /// <summary>Fails where they are not the same. Answers of /completion with n_probs, or of a chat with top_logprobs.</summary>
    /// <returns>Tokens up to where they part.</returns>
    public static int AssertSame(JsonNode one, JsonNode other, double noise)
    {
        var (first, second) = (Entries(one), Entries(other));
        for (var i = 0; i < Math.Min(first.Count, second.Count); i++)
        {
            Compare(first[i]!, second[i]!, noise, i);
            Compare(second[i]!, first[i]!, noise, i);
            if (Id(first[i]!) == Id(second[i]!)) continue;
            AssertNearTie(first[i]!, second[i]!, noise, i);
            return i;
        }

        Assert.Equal(first.Count, second.Count);
        return first.Count;
    }

    /// <summary>All are the same, and a quarter of their tokens come before anything parts: a near tie may stand at the beginning of most.</summary>
    public static void AssertSame(IReadOnlyList<JsonNode> ones, IReadOnlyList<JsonNode> others, double noise)
    {
        var same = ones.Zip(others, (one, other) => AssertSame(one, other, noise)).Sum();
        var all = ones.Sum(one => Entries(one).Count);
        Assert.True(same * 4 > all, $"only {same} of {all} tokens could be compared");
    }

    private static void Compare(JsonNode entry, JsonNode other, double noise, int at)
    {
        var known = Alternatives(other);
        var least = known.Values.Min();
        foreach (var (token, logprob) in Alternatives(entry))
        {
            // What the other does not name is no more likely there than the last that it names.
            if (known.TryGetValue(token, out var there)) Assert.True(Math.Abs(logprob - there) <= Bound(logprob, noise), $"token {at}: {token} has {logprob} and {there}");
            else Assert.True(logprob <= least + Bound(least, noise), $"token {at}: {token} has {logprob}, and the other no more than {least}");
        }
    }

    /// <summary>Rare tokens are told less exactly: what all keys and values before were off by adds up, and nothing holds them where the likely ones are held.</summary>
    private static double Bound(double logprob, double noise) => noise * Math.Max(1, -logprob / 2);

    /// <summary>Greedy answers part only where either token is as good as the other, by the figures of both.</summary>
    private static void AssertNearTie(JsonNode entry, JsonNode other, double noise, int at)
    {
        foreach (var known in (Dictionary<string, double>[])[Alternatives(entry), Alternatives(other)])
        {
            var far = known.TryGetValue(Id(entry), out var taken) && known.TryGetValue(Id(other), out var also) ? Math.Abs(taken - also) : double.PositiveInfinity;
            Assert.True(far <= 2 * noise, $"token {at}: {Id(entry)} and {Id(other)} are no near tie: {far}");
        }
    }

    private static Dictionary<string, double> Alternatives(JsonNode entry) =>
        entry["top_logprobs"]!.AsArray().ToDictionary(item => Id(item!), item => (double)item!["logprob"]!);

    private static string Id(JsonNode entry) => entry["id"]?.ToJsonString() ?? entry["bytes"]!.ToJsonString();

    private static JsonArray Entries(JsonNode answer) =>
        (answer["completion_probabilities"] ?? answer["choices"]![0]!["logprobs"]!["content"])!.AsArray();
}
