using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Runtime;
using FinerCut.Worker.ChatTemplates;

namespace FinerCut.Worker.Prune;

/// <summary>
/// Traffic files as tokens: conversations go through the model's own chat template, as they did when they were served; text is tokenised apart
/// from the answer, so that the answer begins at a token. Texts never leave this class.
/// </summary>
internal sealed class RecordedTraffic(TimeProvider clock) : IPruneTrafficSource
{
    /// <summary>A sequence shorter than this says nothing.</summary>
    private const int MinSequenceTokens = 8;

    public PruneTraffic Draw(PruneRequest request, ILlamaModel model)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(model);
        var special = new TemplateTokens(TextOf(model.Vocabulary, model.Vocabulary.Special.Bos), TextOf(model.Vocabulary, model.Vocabulary.Special.Eos));
        using var template = Compile(model, special);
        CalibrationSet Read(string name, string path, int most)
        {
            var sequences = ImmutableArray.CreateBuilder<TokenSequence>();
            var left = most;
            foreach (var (conversation, line) in Lines(path))
            {
                if (left < MinSequenceTokens) break;
                var sequence = Tokenize(conversation, template, special, model.Vocabulary, $"{path}, line {line}");
                var length = Math.Min(Math.Min(sequence.Tokens.Length, request.MaxSequenceTokens), left);
                if (length < MinSequenceTokens) continue;
                sequences.Add(sequence with { Tokens = sequence.Tokens[..length], AnswerStart = Math.Min(sequence.AnswerStart, length) });
                left -= length;
            }

            return new CalibrationSet(name, sequences.ToImmutable());
        }

        return new PruneTraffic(
            Read("calibration", request.CalibrationPath, request.MaxCalibrationTokens), Read("held-out", request.HeldOutPath, request.MaxHeldOutTokens))
        {
            Healing = request.Healing == HealingKind.None ? null : Read("healing", request.CalibrationPath, request.HealingTokens / 2),
            General = request.Healing == HealingKind.None || request.GeneralTextPath is null ? null : General(request, request.GeneralTextPath, model.Vocabulary),
        };
    }

    /// <summary>Texts of a file as sequences, cut at blank lines and where they are too long.</summary>
    private static CalibrationSet General(PruneRequest request, string path, IVocabulary vocabulary)
    {
        var texts = string.Join('\n', ReadLines(path)).Split("\n\n", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var sequences = ImmutableArray.CreateBuilder<TokenSequence>();
        var left = request.HealingTokens;
        foreach (var piece in texts.SelectMany(text => vocabulary.Tokenize(text, addSpecial: true, parseSpecial: false).Chunk(request.MaxSequenceTokens)))
        {
            if (left < MinSequenceTokens) break;
            if (piece.Length < MinSequenceTokens) continue;
            var length = Math.Min(piece.Length, left);
            sequences.Add(new TokenSequence($"general:{sequences.Count}", [.. piece.AsSpan(0, length)], length));
            left -= length;
        }

        return sequences.Count > 0 ? new CalibrationSet("general", sequences.ToImmutable()) : throw new TrafficException($"The text file {path} holds no text of {MinSequenceTokens} tokens.");
    }

    private ChatTemplate Compile(ILlamaModel model, TemplateTokens special)
    {
        try
        {
            return ChatTemplate.Compile(model.Info.ChatTemplate, special, clock);
        }
        catch (ChatTemplateException cause)
        {
            throw new TrafficException($"The chat template of {model.Info.Path} cannot be used: {cause.Message}", cause);
        }
    }

    private static TokenSequence Tokenize(RecordedConversation conversation, ChatTemplate template, TemplateTokens special, IVocabulary vocabulary, string where)
    {
        string prompt, closing;
        if (conversation.Messages is { } messages)
        {
            try
            {
                var text = template.RenderConversation(messages, conversation.Answer);
                prompt = text.Text[..text.AnswerStart];
                var rest = text.Text[text.AnswerStart..];
                closing = rest.StartsWith(conversation.Answer, StringComparison.Ordinal) ? rest[conversation.Answer.Length..] : "";
            }
            catch (Exception cause) when (cause is ChatTemplateException or InvalidOperationException or JsonException)
            {
                throw new TrafficException($"{where}: the chat template refuses the messages.", cause);
            }
        }
        else (prompt, closing) = (conversation.Prompt ?? throw new TrafficException($"{where}: neither messages nor prompt."), "");

        var hasBos = special.Bos.Length > 0 && prompt.StartsWith(special.Bos, StringComparison.Ordinal);
        var tokens = vocabulary.Tokenize(prompt, addSpecial: !hasBos, parseSpecial: true);
        int[] answer = conversation.Answer.Length == 0 ? [] : vocabulary.Tokenize(conversation.Answer, addSpecial: false, parseSpecial: false);
        int[] end = answer.Length == 0 || closing.Length == 0 ? [] : vocabulary.Tokenize(closing, addSpecial: false, parseSpecial: true);
        return new TokenSequence(conversation.Id, [.. tokens, .. answer, .. end], tokens.Length);
    }

    /// <exception cref="TrafficException">The file is missing or a line of it is no conversation.</exception>
    public static IEnumerable<(RecordedConversation Conversation, int Line)> Lines(string path)
    {
        var line = 0;
        foreach (var text in ReadLines(path))
        {
            line++;
            if (string.IsNullOrWhiteSpace(text)) continue;
            RecordedConversation? conversation;
            try
            {
                conversation = JsonSerializer.Deserialize(text, ContractJson.Default.RecordedConversation);
            }
            catch (JsonException cause)
            {
                // The parser's message may quote the text: only its place is told.
                throw new TrafficException($"{path}, line {line}: no recorded conversation (byte {cause.BytePositionInLine}, {cause.Path}). Expected an object with id, messages or prompt, and answer.");
            }

            yield return (conversation ?? throw new TrafficException($"{path}, line {line}: null instead of a conversation."), line);
        }
    }

    private static IEnumerable<string> ReadLines(string path)
    {
        StreamReader reader;
        try
        {
            reader = new StreamReader(path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TrafficException($"The traffic file {path} cannot be read: {cause.Message}", cause);
        }

        using (reader)
        {
            while (reader.ReadLine() is { } line) yield return line;
        }
    }

    private static string TextOf(IVocabulary vocabulary, int token)
    {
        if (token < 0) return "";
        Span<byte> bytes = stackalloc byte[256];
        var length = vocabulary.Piece(token, bytes, special: true);
        return length <= 0 ? "" : Encoding.UTF8.GetString(bytes[..length]);
    }
}
