using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Runtime;

namespace FinerCut.PruneBench;

/// <summary>
/// Chat traffic as the demo makes it: its prompts, answered by the full model at temperature 0.7. Made once and kept, so that every
/// comparison is on the same tokens.
/// </summary>
internal static class ChatTraffic
{
    private const string Head = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n";
    private const int Together = 16;
    private const string Turn = "<|im_end|>\n<|im_start|>assistant\n";

    /// <summary>Conversations as tokens, answers of at most <paramref name="answerTokens"/>.</summary>
    public static ImmutableArray<TokenSequence> Make(ILlamaModel model, int rounds, int answerTokens, int threads)
    {
        using var stream = typeof(ChatTraffic).Assembly.GetManifestResourceStream("prompts.txt")!;
        string[] prompts = [.. new StreamReader(stream).ReadToEnd().Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0)];
        using var session = model.Open(new SessionOptions { ContextLength = 4096, BatchSize = 2048, MicroBatchSize = 512, MaxSequences = Together, Threads = threads, BatchThreads = threads });
        var made = ImmutableArray.CreateBuilder<TokenSequence>();
        for (var start = 0; start < rounds * prompts.Length; start += Together)
        {
            var indices = Enumerable.Range(start, Math.Min(Together, (rounds * prompts.Length) - start)).ToArray();
            int[][] asked = [.. indices.Select(index => model.Vocabulary.Tokenize(Head + prompts[index % prompts.Length] + Turn, addSpecial: false, parseSpecial: true))];
            var answers = Answers(model, session, asked, answerTokens, (uint)start);

            // One name a prompt, whatever the round: held-out prompts are never calibrated on.
            for (var at = 0; at < indices.Length; at++) made.Add(new TokenSequence($"p{indices[at] % prompts.Length}", [.. asked[at], .. answers[at]], asked[at].Length));
            Console.Error.Write($"\r{made.Count} of {rounds * prompts.Length} conversations ");
        }

        Console.Error.WriteLine();
        return made.ToImmutable();
    }

    /// <summary>The kept traffic, or new one where the file is missing.</summary>
    public static ImmutableArray<TokenSequence> Load(string path, Func<ImmutableArray<TokenSequence>> make)
    {
        if (File.Exists(path)) return [.. File.ReadLines(path).Select(line => JsonSerializer.Deserialize<Kept>(line)!).Select(kept => new TokenSequence(kept.Id, [.. kept.Tokens], kept.AnswerStart))];
        var made = make();
        File.WriteAllLines(path, made.Select(sequence => JsonSerializer.Serialize(new Kept(sequence.Id, [.. sequence.Tokens], sequence.AnswerStart))));
        return made;
    }

    /// <summary>The same as JSON lines for the Worker's prune verb.</summary>
    public static void WriteRecorded(string path, ILlamaModel model, IEnumerable<TokenSequence> sequences) => File.WriteAllLines(path, sequences.Select((sequence, number) =>
    {
        var text = Text(model, sequence.Tokens.AsSpan()[..sequence.AnswerStart]);
        var user = text[(text.IndexOf("user\n", StringComparison.Ordinal) + 5)..^"\nassistant\n".Length];
        var messages = JsonSerializer.SerializeToElement(new[] { new { role = "user", content = user } });
        var answer = Text(model, sequence.Tokens.AsSpan()[sequence.AnswerStart..]);
        return JsonSerializer.Serialize(new RecordedConversation { Id = $"{sequence.Id}-{number}", Messages = messages, Answer = answer }, ContractJson.Default.RecordedConversation);
    }));

    /// <summary>Calibration takes the even prompts, held-out the odd ones.</summary>
    public static (CalibrationSet Calibration, CalibrationSet HeldOut) Split(ImmutableArray<TokenSequence> all, int calibrationTokens, int heldOutTokens, int longest)
    {
        return (Take("calibration", 0, calibrationTokens), Take("held-out", 1, heldOutTokens));

        CalibrationSet Take(string name, int parity, int most)
        {
            var taken = ImmutableArray.CreateBuilder<TokenSequence>();
            var left = most;
            foreach (var sequence in all.Where(sequence => int.Parse(sequence.Id[1..]) % 2 == parity))
            {
                var length = Math.Min(Math.Min(sequence.Tokens.Length, longest), left);
                if (length < 8) continue;
                taken.Add(sequence with { Tokens = sequence.Tokens[..length], AnswerStart = Math.Min(length, sequence.AnswerStart) });
                left -= length;
            }

            return new CalibrationSet(name, taken.ToImmutable());
        }
    }

    private static List<int>[] Answers(ILlamaModel model, ILlamaSession session, int[][] prompts, int most, uint seed)
    {
        var batch = new TokenBatch(2048);
        session.Memory.Clear();
        var row = new int[prompts.Length];
        for (var sequence = 0; sequence < prompts.Length; sequence++)
        {
            for (var position = 0; position < prompts[sequence].Length; position++) row[sequence] = batch.Add(prompts[sequence][position], position, sequence, position == prompts[sequence].Length - 1);
        }

        ISampler[] samplers = [.. prompts.Select((_, sequence) => session.CreateSampler(new SamplerOptions { Temperature = 0.7f, TopP = 0.95f, Seed = seed + (uint)sequence }))];
        List<int>[] answers = [.. prompts.Select(_ => new List<int>())];
        var open = Enumerable.Range(0, prompts.Length).ToList();
        while (open.Count > 0 && session.Decode(batch) == DecodeStatus.Done)
        {
            int[] sampled = [.. open.Select(sequence => samplers[sequence].Sample(row[sequence]))];
            batch.Clear();
            foreach (var (sequence, token) in open.ToArray().Zip(sampled))
            {
                if (!model.Vocabulary.IsEndOfGeneration(token)) answers[sequence].Add(token);
                if (model.Vocabulary.IsEndOfGeneration(token) || answers[sequence].Count == most) open.Remove(sequence);
                else row[sequence] = batch.Add(token, prompts[sequence].Length + answers[sequence].Count - 1, sequence, true);
            }
        }

        foreach (var sampler in samplers) sampler.Dispose();
        return answers;
    }

    private static string Text(ILlamaModel model, ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>();
        var piece = new byte[256];
        foreach (var token in tokens)
        {
            var length = model.Vocabulary.Piece(token, piece, special: false);
            bytes.AddRange(piece.AsSpan(0, Math.Max(0, length)));
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private sealed record Kept(string Id, int[] Tokens, int AnswerStart);
}
