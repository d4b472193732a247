using System.Collections.Immutable;
using System.Text;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Pruning.Distances;
using FinerCut.Pruning.Gates;
using FinerCut.Pruning.Scoring;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Evaluations;

/// <summary>
/// Multiple choice by likelihood: each choice is a continuation of the question, and the one whose log-likelihood a byte is largest is the model's (acc_norm of
/// lm-evaluation-harness). No chat template: the question is the text that the model sees.
/// </summary>
public static class TaskEvaluation
{
    private const int Seed = 1;

    /// <summary>Questions and choices as tokens: the sequence of choice c of question q is named "q c"; its answer is the choice.</summary>
    /// <exception cref="ArgumentException">A question with a choice is longer than the model was trained for, or a choice adds no token; the message names its number.</exception>
    public static CalibrationSet Sequences(IVocabulary vocabulary, IReadOnlyList<ChoiceTask> tasks, int mostTokens)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        ArgumentNullException.ThrowIfNull(tasks);
        var sequences = ImmutableArray.CreateBuilder<TokenSequence>();
        for (var number = 0; number < tasks.Count; number++)
        {
            var question = tasks[number].Question;
            var space = question.Length == 0 || char.IsWhiteSpace(question[^1]) ? "" : " ";
            var start = vocabulary.Tokenize(question, addSpecial: true, parseSpecial: false).Length;
            for (var choice = 0; choice < tasks[number].Choices.Count; choice++)
            {
                // Tokenised together, since a choice alone may begin with another token; a question whose last token merges with it is scored from there.
                var text = tasks[number].Choices[choice];
                var tokens = vocabulary.Tokenize(question + (text.Length > 0 && char.IsWhiteSpace(text[0]) ? "" : space) + text, addSpecial: true, parseSpecial: false);
                var from = Math.Max(Math.Min(start, tokens.Length - 1), 1);
                if (tokens.Length < 2 || text.Length == 0) throw new ArgumentException($"Question {number + 1}: choice {choice + 1} is empty.");
                if (tokens.Length > mostTokens) throw new ArgumentException($"Question {number + 1} has {tokens.Length} tokens with choice {choice + 1}; the model was trained for {mostTokens}.");
                sequences.Add(new TokenSequence($"{number} {choice}", [.. tokens], from));
            }
        }

        return new CalibrationSet("tasks", sequences.ToImmutable());
    }

    /// <param name="sequences">Of <see cref="Sequences"/>.</param>
    /// <param name="progress">Decodes done, both models'.</param>
    public static TaskFigures Run(
        ILlamaModel model, ILlamaModel? against, IReadOnlyList<ChoiceTask> tasks, CalibrationSet sequences, int threads, Action<int, int> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tasks);
        ArgumentNullException.ThrowIfNull(progress);
        var batches = TokenBatches.Pack(sequences, new ScoringOptions(threads).BatchTokens(model.Info));
        var all = batches.Batches.Length * (against is null ? 1 : 2);
        var done = 0;
        var own = Likelihoods(model);
        var others = against is null ? null : Likelihoods(against);
        int[] chosen = Choose(own, perByte: true), plain = Choose(own, perByte: false);
        Estimate Share(Func<int, bool> holds) => Bootstrap.Mean([.. Enumerable.Range(0, tasks.Count).Select(number => (holds(number) ? 1.0 : 0, 1))], new GateThresholds().Confidence, Seed);
        var otherChosen = others is null ? null : Choose(others, perByte: true);
        return new TaskFigures(
            tasks.Count, Share(number => chosen[number] == tasks[number].Answer), Share(number => plain[number] == tasks[number].Answer),
            otherChosen is null ? null : Share(number => otherChosen[number] == tasks[number].Answer), otherChosen is null ? null : Share(number => otherChosen[number] == chosen[number]));

        double[] Likelihoods(ILlamaModel scored)
        {
            var sums = new double[sequences.Sequences.Length];
            using var decoder = new TokenDecoder(scored, batches.Capacity, threads, null);
            foreach (var batch in batches.Batches)
            {
                decoder.Decode(batch, cancellationToken);
                foreach (var (sequence, index, start) in batch.InDecode)
                {
                    for (var position = sequence.AnswerStart; position < sequence.Tokens.Length; position++)
                    {
                        var logits = decoder.Logits(start + position - 1);
                        sums[index] += logits[sequence.Tokens[position]] - LogitDistance.LogSumExp(logits);
                    }
                }

                progress(++done, all);
            }

            return sums;
        }

        int[] Choose(double[] likelihoods, bool perByte)
        {
            var next = 0;
            return [.. tasks.Select(task =>
            {
                var first = next;
                next += task.Choices.Count;
                return Enumerable.Range(0, task.Choices.Count).MaxBy(choice => likelihoods[first + choice] / (perByte ? Encoding.UTF8.GetByteCount(task.Choices[choice]) : 1));
            })];
        }
    }
}
