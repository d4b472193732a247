using System.Text.Json;
using FinerCut.Pruning.Evaluations;
using FinerCut.Worker.Gguf;

namespace FinerCut.Worker.Eval;

/// <summary>Files that an evaluation reads. Errors name file and line, never the text.</summary>
internal static class TaskFile
{
    /// <exception cref="UsageException">The file cannot be read, or a line of it is no question.</exception>
    public static IReadOnlyList<ChoiceTask> Read(string path)
    {
        var tasks = new List<ChoiceTask>();
        var number = 0;
        foreach (var line in Guarded(path, File.ReadAllLines))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line)) tasks.Add(Parse(line, $"{path}, line {number}"));
        }

        return tasks.Count > 0 ? tasks : throw new UsageException($"--tasks: {path} holds no question.");
    }

    public static string ReadText(string path) => Guarded(path, File.ReadAllText);

    private static ChoiceTask Parse(string line, string where)
    {
        JsonElement root;
        try
        {
            root = JsonElement.Parse(line);
        }
        catch (JsonException cause)
        {
            throw new UsageException($"{where}: no JSON (byte {cause.BytePositionInLine}).");
        }

        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("question", out var question) || question.ValueKind != JsonValueKind.String
            || !root.TryGetProperty("choices", out var choices) || choices.ValueKind != JsonValueKind.Array || !root.TryGetProperty("answer", out var answer))
        {
            throw new UsageException($"{where}: expected an object with question (text), choices (a list of texts) and answer (an index from 0, or the right choice's text).");
        }

        string[] texts = [.. choices.EnumerateArray().Select(choice => choice.ValueKind == JsonValueKind.String ? choice.GetString()! : throw new UsageException($"{where}: a choice is no text."))];
        if (texts.Length < 2) throw new UsageException($"{where}: {texts.Length} choices; at least two are needed.");
        var right = answer.ValueKind switch
        {
            JsonValueKind.Number when answer.TryGetInt32(out var index) => index,
            JsonValueKind.String => Array.IndexOf(texts, answer.GetString()),
            _ => -1,
        };
        if (right < 0 || right >= texts.Length) throw new UsageException($"{where}: the answer is none of the {texts.Length} choices; expected an index from 0 to {texts.Length - 1}, or a choice's text.");
        return new ChoiceTask(question.GetString()!, texts, right);
    }

    private static T Guarded<T>(string path, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path} cannot be read: {cause.Message}");
        }
    }
}
