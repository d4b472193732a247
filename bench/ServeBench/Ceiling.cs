using FinerCut.Runtime;

namespace FinerCut.ServeBench;

/// <summary>The bare loop: prompts in batches of 512, then one token of every sequence a decode, greedy, end tokens forbidden as in the requests.</summary>
internal sealed class Ceiling : ITarget, IDisposable
{
    private readonly ILlamaModel _model;
    private readonly ILlamaSession _session;
    private readonly TokenBatch _batch = new(512);
    private readonly SamplerOptions _sampling;

    public Ceiling(ILlamaModel model, Load load, int threads)
    {
        _model = model;
        _session = model.Open(new SessionOptions
        {
            ContextLength = load.ContextLength,
            MaxSequences = load.MostStreams + 16,
            MaxOutputs = load.MostStreams + 16,
            Threads = threads,
            BatchThreads = threads,
        });
        _sampling = new SamplerOptions
        {
            Temperature = 0,
            LogitBias = Enumerable.Range(0, model.Vocabulary.Count).Where(model.Vocabulary.IsEndOfGeneration).ToDictionary(token => token, _ => float.NegativeInfinity),
        };
    }

    public Task<Measure> RunAsync(Ask ask) => Task.Run(() => Run(ask.Prompts, ask.AnswerTokens, ask.CountPrompts));

    public void Dispose() => _session.Dispose();

    private Measure Run(IReadOnlyList<string> prompts, int answerTokens, bool countPrompts)
    {
        var clock = TimeProvider.System;
        var began = clock.GetTimestamp();
        var tokens = prompts.Select(prompt => _model.Vocabulary.Tokenize(prompt, addSpecial: true, parseSpecial: true)).ToArray();
        var samplers = prompts.Select(_ => _session.CreateSampler(_sampling)).ToArray();
        var last = new int[prompts.Count];
        var first = new TimeSpan[prompts.Count];
        var outputs = new List<(int Sequence, int Index)>();
        _session.Memory.Clear();
        for (var sequence = 0; sequence < tokens.Length; sequence++)
        {
            for (var i = 0; i < tokens[sequence].Length; i++)
            {
                var isLast = i == tokens[sequence].Length - 1;
                var index = _batch.Add(tokens[sequence][i], i, sequence, isLast);
                if (isLast) outputs.Add((sequence, index));
                if (_batch.Count == _batch.Capacity) Compute();
            }
        }

        Compute();
        for (var step = 1; step < answerTokens; step++)
        {
            for (var sequence = 0; sequence < tokens.Length; sequence++)
                outputs.Add((sequence, _batch.Add(last[sequence], tokens[sequence].Length + step - 1, sequence, logits: true)));
            Compute();
        }

        foreach (var sampler in samplers) sampler.Dispose();
        var wall = clock.GetElapsedTime(began);
        return new Measure(countPrompts ? tokens.Sum(prompt => prompt.Length) : prompts.Count * answerTokens, wall, first)
        {
            // No streams here: the mean stands for each.
            Gaps = answerTokens < 2 ? [] : [.. first.Select(time => (wall - time) / (answerTokens - 1))],
        };

        void Compute()
        {
            if (_batch.Count == 0) return;
            if (_session.Decode(_batch) != DecodeStatus.Done) throw new InvalidOperationException("The context is too small for this load.");
            foreach (var (sequence, index) in outputs)
            {
                last[sequence] = samplers[sequence].Sample(index);
                if (first[sequence] == default) first[sequence] = clock.GetElapsedTime(began);
            }

            outputs.Clear();
            _batch.Clear();
        }
    }
}
