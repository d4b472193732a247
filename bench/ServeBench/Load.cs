using System.Text;

namespace FinerCut.ServeBench;

/// <summary>What is asked of every target: the same prompts in the same order.</summary>
/// <param name="AnswerTokens">Of each answer in the decode measure.</param>
/// <param name="PromptTokens">About as many in each prompt of the prefill measure.</param>
internal sealed record Load(int AnswerTokens, int PromptTokens, int MostStreams)
{
    private static readonly string[] Words = ["river", "stone", "blue", "train", "quiet", "apple", "north", "paper", "slow", "garden", "winter", "glass", "music", "road", "cloud", "table"];

    /// <summary>Tokens of KV memory that the largest load needs.</summary>
    public int ContextLength => Math.Max(8192, MostStreams * (Math.Max(PromptTokens * 5 / 2, AnswerTokens + 32) + 16));

    private static string ShortPrompt(int stream, int round) => $"{Words[(stream + round) % Words.Length]} {Words[(stream * 3 + round) % Words.Length]} and";

    public Ask Ask(MeasureKind kind, int streams, int round)
    {
        var prompts = Enumerable.Range(0, streams).Select(stream => kind switch
        {
            MeasureKind.Decode => ShortPrompt(stream, round),
            MeasureKind.Prefill => Text(PromptTokens, round * 1000 + stream),
            // All begin alike, in this round only.
            MeasureKind.Common => Text(PromptTokens, round * 1000) + Text(12, round * 1000 + 500 + stream),
            _ => Text(MixedLengths[stream % MixedLengths.Length] * PromptTokens / 400, round * 1000 + stream),
        });
        var answer = kind switch { MeasureKind.Decode => AnswerTokens, MeasureKind.Prefill => 1, _ => ShortAnswer };
        return new Ask([.. prompts], answer, kind == MeasureKind.Prefill, kind is MeasureKind.Common or MeasureKind.Mixed);
    }

    /// <summary>Of eight streams, before scaling: a long one in the middle, short ones behind it.</summary>
    private static readonly int[] MixedLengths = [120, 30, 800, 60, 400, 20, 200, 40];

    public const int ShortAnswer = 24;

    /// <summary>One request of the mixed kind.</summary>
    public Ask Mixed(int request) =>
        new([Text(MixedLengths[request % MixedLengths.Length] * PromptTokens / 400, 7_000_000 + request)], ShortAnswer, CountPrompts: false, MayCache: true);

    /// <summary>Words are a token each, nearly; texts of other seeds begin otherwise, so that nothing of them can be taken from a cache.</summary>
    public static string Text(int tokens, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (var i = 0; i < tokens; i++) text.Append(Words[random.Next(Words.Length)]).Append(' ');
        return text.ToString();
    }
}

/// <summary>What is measured.</summary>
internal enum MeasureKind
{
    /// <summary>Short prompts, long answers.</summary>
    Decode,

    /// <summary>Long prompts that have nothing in common, one token each.</summary>
    Prefill,

    /// <summary>A long beginning that all share, then a question of one's own.</summary>
    Common,

    /// <summary>Short and long prompts at once: who waits for whom.</summary>
    Mixed,
}

/// <param name="CountPrompts">Count prompt tokens instead of generated ones.</param>
/// <param name="MayCache">What others have computed may be used.</param>
internal sealed record Ask(IReadOnlyList<string> Prompts, int AnswerTokens, bool CountPrompts, bool MayCache);

/// <param name="Tokens">Computed: generated ones in the decode measure, prompt ones in the prefill measure.</param>
/// <param name="FirstTokens">Time to first token of each stream.</param>
internal sealed record Measure(int Tokens, TimeSpan Wall, IReadOnlyList<TimeSpan> FirstTokens)
{
    /// <summary>Between one event of a stream and the next; empty where a target has no streams.</summary>
    public IReadOnlyList<TimeSpan> Gaps { get; init; } = [];

    public double TokensPerSecond => Tokens / Wall.TotalSeconds;
}

internal interface ITarget
{
    /// <summary>All prompts at once; ends when the last is answered.</summary>
    Task<Measure> RunAsync(Ask ask);
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
