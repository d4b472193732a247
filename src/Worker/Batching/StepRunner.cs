using System.Buffers;
using System.Runtime.InteropServices;
using FinerCut.Runtime;
using FinerCut.Worker.Completions;
using FinerCut.Worker.Speculation;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Batching;

/// <summary>Runs steps: plans a batch, computes it, samples, hands tokens out and ends generations. Belongs to the loop's thread.</summary>
internal sealed class StepRunner(BatchContext context, BatchConfig config, Roster roster, WorkerMeters meters, TimeProvider clock)
{
    private readonly TokenBatch _batch = new(config.Step.BatchTokens);
    private readonly ArrayBufferWriter<byte> _text = new(256);
    private readonly GenerationTimes _times = new(meters, clock);
    private readonly Guesswork _guesses = new(context.Drafter, config, context.Outputs);
    private readonly List<int> _sampled = [];
    private readonly List<Generation> _batched = [];
    private readonly TokenPieces _pieces = new(context.Vocabulary);
    private int _ended;

    /// <summary>One step. False where there is nothing to do.</summary>
    public bool Step()
    {
        EndCancelled();
        foreach (var generation in roster.Admit())
        {
            Prepare(generation);
            _times.Report(generation);
        }

        for (var guesses = true; Fill(guesses); guesses = false)
        {
            var status = Decode();
            if (status == DecodeStatus.Done)
            {
                Collect();
                break;
            }

            if (status == DecodeStatus.Aborted || !GiveWay()) break;
        }

        var worked = _batched.Count > 0;
        _batched.Clear();
        meters.Gauges = new LoopGauges(
            roster.Active.Count, roster.Waiting.Count, context.Store.Cells, context.Store.UsedCells, context.Store.Kept);
        return worked;
    }

    /// <summary>Ends a generation, whatever its state.</summary>
    public void End(Generation generation, FinishKind kind, GenerationFailure? failure = null)
    {
        if (generation.IsEnded) return;
        generation.IsEnded = true;
        _guesses.Forget(generation);
        roster.Release(generation, keep: kind != FinishKind.Failed && generation.Request.CachePrompt);
        generation.Sampler?.Dispose();
        generation.Sampler = null;
        _text.ResetWrittenCount();
        if (kind is FinishKind.Stop or FinishKind.Length) generation.Text.Finish(_text);
        var end = new GenerationEnd(kind, _times.Figures(generation), failure, generation.Text.MatchedStop);
        generation.Outbox.Close(_text.WrittenSpan, end);
        generation.Outbox.Flush();
        meters.OnEnd(end);
        _ended++;
    }

    /// <summary>How many generations ended since the last call.</summary>
    public int TakeEnded()
    {
        var ended = _ended;
        _ended = 0;
        return ended;
    }

    private void EndCancelled()
    {
        for (var i = roster.Active.Count - 1; i >= 0; i--)
        {
            if (roster.Active[i].IsCancelled) End(roster.Active[i], FinishKind.Cancelled);
        }

        for (var i = roster.Waiting.Count - 1; i >= 0; i--)
        {
            if (roster.Waiting[i].IsCancelled) End(roster.Waiting[i], FinishKind.Cancelled);
        }
    }

    /// <summary>Gives a generation that starts for the first time its sampler.</summary>
    private void Prepare(Generation generation)
    {
        if (generation.Sampler is not null) return;
        var sampling = generation.Request.Sampling;
        try
        {
            generation.Sampler = context.Session.CreateSampler(sampling);
            if (!SeesHistory(sampling)) return;
            foreach (var token in generation.Request.Prompt) generation.Sampler.Accept(token);
        }
        catch (LlamaException exception)
        {
            End(generation, FinishKind.Failed, new GenerationFailure(
                exception.Code == LlamaErrorCode.InvalidGrammar ? "invalid_grammar" : "invalid_sampling", exception.Message, IsRequestFault: true));
        }
    }

    private static bool SeesHistory(SamplerOptions sampling) =>
        (sampling.PenaltyLastN != 0 && (sampling.RepeatPenalty != 1 || sampling.FrequencyPenalty != 0 || sampling.PresencePenalty != 0))
        || sampling.DryMultiplier != 0;

    /// <param name="guesses">Whether there is room for guesses; not where the step is tried again for want of it.</param>
    private bool Fill(bool guesses)
    {
        _batch.Clear();
        _batched.Clear();
        Span<int> shares = stackalloc int[roster.Active.Count];
        roster.Plan(shares, out var adapterSet);
        context.Adapters.Use(adapterSet);
        var planned = 0;
        foreach (var share in shares) planned += share;
        if (guesses) _guesses.Plan(roster.Active, shares, planned);
        else _guesses.Drop();
        for (var i = 0; i < shares.Length; i++)
        {
            var generation = roster.Active[i];
            generation.Planned = shares[i];
            generation.LogitsIndex = -1;
            if (shares[i] == 0) continue;
            _batched.Add(generation);
            var from = generation.Computed;
            var complete = shares[i] == generation.Remaining;
            var tokens = generation.Tokens.Slice(from, shares[i]);
            for (var j = 0; j < tokens.Length; j++)
            {
                var index = _batch.Add(tokens[j], from + j, generation.Sequence!.Id, complete && j == tokens.Length - 1);
                if (complete) generation.LogitsIndex = index;
            }

            for (var j = 0; j < generation.Guesses.Count; j++)
                _batch.Add(generation.Guesses[j], from + tokens.Length + j, generation.Sequence!.Id, logits: true);
        }

        return _batched.Count > 0;
    }

    private DecodeStatus Decode()
    {
        try
        {
            var began = clock.GetTimestamp();
            var status = context.Session.Decode(_batch);
            if (status == DecodeStatus.Done) roster.Record(_batch.Count, clock.GetElapsedTime(began));
            if (status != DecodeStatus.Aborted) return status;
            foreach (var generation in _batched) End(generation, FinishKind.Cancelled);
            return status;
        }
        catch (LlamaException exception)
        {
            var failure = new GenerationFailure("decode_failed", $"The model could not compute this step ({exception.Code}).", IsRequestFault: false);
            foreach (var generation in _batched) End(generation, FinishKind.Failed, failure);
            return DecodeStatus.Aborted;
        }
    }

    private bool GiveWay()
    {
        var active = roster.Active.Count;
        if (roster.MakeRoom())
        {
            if (roster.Active.Count < active) meters.OnPreempted();
            return true;
        }

        // The one that is left fills the whole memory: that is as far as it goes.
        foreach (var generation in _batched) End(generation, FinishKind.Length);
        return false;
    }

    private void Collect()
    {
        meters.OnStep(_batch.Count, _batched.Count);
        foreach (var generation in _batched)
        {
            context.Store.Extend(generation.Sequence!, generation.Tokens.Slice(generation.Computed, generation.Planned));
            if (generation.Guesses.Count > 0) context.Store.Extend(generation.Sequence!, CollectionsMarshal.AsSpan(generation.Guesses));
            _times.Report(generation);
        }

        var now = clock.GetTimestamp();
        foreach (var generation in _batched)
        {
            if (generation.LogitsIndex >= 0) Sample(generation, now);
        }

        // Readers wake once the whole step is sampled, so that they do not take the processor from the sampling of the others.
        foreach (var generation in _batched) generation.Outbox.Flush();
    }

    private void Sample(Generation generation, long now)
    {
        if (generation.Request.MaxTokens == 0)
        {
            End(generation, FinishKind.Length);
            return;
        }

        var failure = DrawAll(generation);
        for (var i = 0; i < _sampled.Count && !generation.IsEnded; i++)
        {
            _times.Stamp(generation, now);
            Take(generation, _sampled[i], generation.LogitsIndex + i);
        }

        if (failure is not null) End(generation, FinishKind.Failed, failure);
    }

    /// <summary>
    /// Samples the next token and, as long as it was guessed, the one after it: each from the model's own logits, as one by one. Wrong guesses are taken off.
    /// </summary>
    /// <returns>Why the token after those that were sampled cannot be; null where it is not known to be so.</returns>
    private GenerationFailure? DrawAll(Generation generation)
    {
        _sampled.Clear();
        var guesses = generation.Guesses.Count;
        GenerationFailure? failure = null;
        for (var i = 0; i <= guesses; i++)
        {
            if (Draw(generation, generation.LogitsIndex + i, out failure) is not { } token) break;
            _sampled.Add(token);
            if (i == guesses || token != generation.Guesses[i] || context.Vocabulary.IsEndOfGeneration(token)) break;
        }

        if (guesses == 0) return failure;
        // Where a draw failed, all that was sampled before it had been guessed.
        var right = failure is null ? _sampled.Count - 1 : _sampled.Count;
        generation.Guessed += guesses;
        generation.GuessedRight += right;
        meters.OnGuesses(guesses, right);
        generation.Guesses.Clear();
        context.Store.Shorten(generation.Sequence!, generation.TokenCount + right);
        return failure;
    }

    private void Take(Generation generation, int token, int logits)
    {
        generation.Append(token);
        if (context.Vocabulary.IsEndOfGeneration(token) && !generation.Request.IgnoreEos)
        {
            End(generation, FinishKind.Stop);
            return;
        }

        _text.ResetWrittenCount();
        var stopped = generation.Text.Append(_pieces.Of(token, generation.Request.Shown.Contains(token)), _text);
        var request = generation.Request;
        TokenLogprob? logprob = request.TopLogprobs is not { } top
            ? null
            : request.AfterSampling ? Logprobs.Drawn(generation.Sampler!, token, top) : Logprobs.Of(context.Session.Logits(logits), token, top);
        if (!generation.Outbox.Post(_text.WrittenSpan, logprob, request.TimesTokens ? _times.Figures(generation) : null)) generation.Cancel();
        if (stopped) End(generation, FinishKind.Stop);
        else if (generation.Generated >= generation.Request.MaxTokens) End(generation, FinishKind.Length);
        else if (generation.TokenCount >= config.ContextLimit && !Shift(generation)) End(generation, FinishKind.Length);
    }

    /// <summary>
    /// Forgets half of what lies behind the part to keep. The rest is computed again at its new place: cells are shared between sequences, so
    /// that they cannot be moved under one of them.
    /// </summary>
    private bool Shift(Generation generation)
    {
        if (!config.ShiftsContext) return false;
        var request = generation.Request;
        var keep = Math.Min(request.Keep < 0 ? request.Prompt.Length : request.Keep, config.ContextLimit / 2);
        roster.LetGo(generation);
        generation.Forget(keep, (generation.TokenCount - keep) / 2);
        context.Store.Shorten(generation.Sequence!, keep);
        return true;
    }

    /// <summary>Null where the request's own grammar and biases leave no token: it is to end with that failure, and only it.</summary>
    private static int? Draw(Generation generation, int logits, out GenerationFailure? failure)
    {
        failure = null;
        try
        {
            return generation.Sampler!.Sample(logits);
        }
        catch (LlamaException exception)
        {
            failure = new GenerationFailure("no_token_left", exception.Message, IsRequestFault: true);
            return null;
        }
    }
}
