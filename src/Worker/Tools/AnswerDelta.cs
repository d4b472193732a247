namespace FinerCut.Worker.Tools;

public enum AnswerPart
{
    /// <summary>Text of the reasoning.</summary>
    Reasoning,

    /// <summary>Text for the user.</summary>
    Content,

    /// <summary>A call begins: its index, id and name are known.</summary>
    Call,

    /// <summary>A piece of a call's arguments.</summary>
    Arguments,
}

/// <summary>A piece of an answer.</summary>
/// <param name="Text">Reasoning, Content, Arguments: the piece. Call: the function's name.</param>
/// <param name="Index">Call, Arguments: which call, from 0.</param>
/// <param name="Id">Call: its id.</param>
public readonly record struct AnswerDelta(AnswerPart Part, string Text, int Index = 0, string? Id = null);

/// <summary>Makes ids of calls. One an answer; not thread-safe.</summary>
public interface IToolCallIds
{
    string Next();
}

/// <summary>Ids of letters and digits from a seed: the prefix and 24 of them, or the bare 9 that Mistral's templates demand.</summary>
public sealed class SeededToolCallIds(int seed, ToolFamily family, string prefix = "call_") : IToolCallIds
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    private readonly Random _random = new(seed);

    public string Next() => family is ToolFamily.MistralList or ToolFamily.MistralArgs
        ? new string(_random.GetItems<char>(Letters, 9))
        : prefix + new string(_random.GetItems<char>(Letters, 24));
}
