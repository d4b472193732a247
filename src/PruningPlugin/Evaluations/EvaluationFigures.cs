using FinerCut.Jobs;

namespace FinerCut.Pruning.Evaluations;

/// <summary>How well a model predicts a text, alone or beside another. Intervals are bootstrapped over chunks.</summary>
/// <param name="Tokens">Scored.</param>
/// <param name="Perplexity">exp of the mean negative log-likelihood a token.</param>
/// <param name="AgainstPerplexity">The other model's.</param>
/// <param name="Kl">KL(other‖model), nats a token.</param>
/// <param name="Top1Agreement">Share of positions with the same most likely next token.</param>
public sealed record TextFigures(int Chunks, int Tokens, Estimate Perplexity, Estimate? AgainstPerplexity, Estimate? Kl, Estimate? Top1Agreement);

/// <summary>How well a model chooses. Intervals are bootstrapped over questions.</summary>
/// <param name="Accuracy">Share of questions whose right choice has the largest log-likelihood a byte.</param>
/// <param name="PlainAccuracy">The same by the log-likelihood as it is.</param>
/// <param name="AgainstAccuracy">The other model's, a byte.</param>
/// <param name="SameChoice">Share of questions of which both choose the same.</param>
public sealed record TaskFigures(int Questions, Estimate Accuracy, Estimate PlainAccuracy, Estimate? AgainstAccuracy, Estimate? SameChoice);

/// <summary>What an evaluation found; what was not asked for is null.</summary>
public sealed record EvaluationFigures(string Model, string? Against, TextFigures? Text, TaskFigures? Tasks, double Seconds);

/// <summary>A question with its choices; the answer is the right one's index.</summary>
public sealed record ChoiceTask(string Question, IReadOnlyList<string> Choices, int Answer);
