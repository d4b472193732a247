using System.Text;

namespace FinerCut.ServeBench;

/// <summary>What is asked of every target: the same prompts in the same order.</summary>
/// <param name="AnswerTokens">Of each answer in the decode measure.</param>
/// <param name="PromptTokens">About as many in each prompt of the prefill measure.</param>
internal sealed record Load(int AnswerTokens, int PromptTokens, int MostStreams)
{
    private static readonly string[] Words = ["river", "stone", "blue", "train", "quiet", "apple", "north", "paper", "slow", "garden", "winter", "glass", "music", "road", "cloud", "table"];

    /// <summary>Tokens of KV memory that the largest load needs.</summary>
    public int ContextLength => Math.Max(1024, MostStreams * (Math.Max(PromptTokens * 3 / 2, AnswerTokens + 32) + 16));

    public static string ShortPrompt(int stream, int round) => $"{Words[(stream + round) % Words.Length]} {Words[(stream * 3 + round) % Words.Length]} and";

    /// <summary>Words are a token each, nearly; no two prompts begin alike, so that nothing can be taken from a cache.</summary>
    public string LongPrompt(int stream, int round)
    {
        var random = new Random(round * 1000 + stream);
        var text = new StringBuilder();
        for (var i = 0; i < PromptTokens; i++) text.Append(Words[random.Next(Words.Length)]).Append(' ');
        return text.ToString();
    }
}

/// <param name="Tokens">Computed: generated ones in the decode measure, prompt ones in the prefill measure.</param>
/// <param name="FirstTokens">Time to first token of each stream.</param>
internal sealed record Measure(int Tokens, TimeSpan Wall, IReadOnlyList<TimeSpan> FirstTokens)
{
    public double TokensPerSecond => Tokens / Wall.TotalSeconds;
}

internal interface ITarget
{
    /// <summary>All prompts at once; ends when the last is answered.</summary>
    /// <param name="countPrompts">Count prompt tokens instead of generated ones.</param>
    Task<Measure> RunAsync(IReadOnlyList<string> prompts, int answerTokens, bool countPrompts);
}

internal static class Places
{
    public static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "FinerCut.Gateway.sln"))) folder = folder.Parent;
        return folder.FullName;
    }
}
