using System.Buffers;
using FinerCut.Runtime;
using FinerCut.Worker.Sequences;
using FinerCut.Worker.Telemetry;

namespace FinerCut.Worker.Batching;

/// <summary>What a context is made of, handed to the loop's thread as a whole.</summary>
public sealed record BatchContext(ILlamaSession Session, IVocabulary Vocabulary, SequenceStore Store);

/// <summary>Runs steps: plans a batch, computes it, samples, hands tokens out and ends generations. Belongs to the loop's thread.</summary>
internal sealed class StepRunner(BatchContext context, BatchConfig config, Roster roster, WorkerMeters meters, TimeProvider clock)
{
    private readonly TokenBatch _batch = new(config.Step.BatchTokens);
    private readonly ArrayBufferWriter<byte> _text = new(256);
    private readonly List<Generation> _batched = [];
    private byte[] _piece = new byte[256];
    private int _ended;

    /// <summary>One step. False where there is nothing to do.</summary>
    public bool Step()
    {
        EndCancelled();
        foreach (var generation in roster.Admit()) Prepare(generation);
        while (Fill())
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
        roster.Release(generation, keep: kind != FinishKind.Failed && generation.Request.CachePrompt);
        generation.Sampler?.Dispose();
        generation.Sampler = null;
        _text.ResetWrittenCount();
        if (kind is FinishKind.Stop or FinishKind.Length) generation.Text.Finish(_text);
        var end = new GenerationEnd(kind, Figures(generation), failure, generation.Text.MatchedStop);
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

    private bool Fill()
    {
        _batch.Clear();
        _batched.Clear();
        Span<int> shares = stackalloc int[roster.Active.Count];
        roster.Plan(shares);
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
        }

        return _batched.Count > 0;
    }

    private DecodeStatus Decode()
    {
        try
        {
            var status = context.Session.Decode(_batch);
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
            context.Store.Extend(generation.Sequence!, generation.Tokens.Slice(generation.Computed, generation.Planned));
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

        if (Draw(generation) is not { } token) return;
        Stamp(generation, now);
        generation.Append(token);
        if (context.Vocabulary.IsEndOfGeneration(token) && !generation.Request.IgnoreEos)
        {
            End(generation, FinishKind.Stop);
            return;
        }

        _text.ResetWrittenCount();
        var stopped = generation.Text.Append(Piece(token, generation.Request.Shown.Contains(token)), _text);
        TokenLogprob? logprob = generation.Request.TopLogprobs is { } top
            ? Logprobs.Of(context.Session.Logits(generation.LogitsIndex), token, top)
            : null;
        if (!generation.Outbox.Post(_text.WrittenSpan, logprob)) generation.Cancel();
        if (stopped) End(generation, FinishKind.Stop);
        else if (generation.Generated >= generation.Request.MaxTokens || generation.TokenCount >= config.ContextLimit) End(generation, FinishKind.Length);
    }

    /// <summary>Null where the request's own grammar and biases leave no token: it ends with that fault, and only it.</summary>
    private int? Draw(Generation generation)
    {
        try
        {
            return generation.Sampler!.Sample(generation.LogitsIndex);
        }
        catch (LlamaException exception)
        {
            End(generation, FinishKind.Failed, new GenerationFailure("no_token_left", exception.Message, IsRequestFault: true));
            return null;
        }
    }

    private void Stamp(Generation generation, long now)
    {
        if (generation.Generated == 0)
        {
            generation.FirstTokenAt = now;
            meters.OnFirstToken(
                clock.GetElapsedTime(generation.ArrivedAt, generation.StartedAt), clock.GetElapsedTime(generation.ArrivedAt, now));
        }
        else
        {
            meters.OnToken(clock.GetElapsedTime(generation.LastTokenAt, now));
        }

        generation.LastTokenAt = now;
    }

    private ReadOnlySpan<byte> Piece(int token, bool special)
    {
        var length = context.Vocabulary.Piece(token, _piece, special);
        if (length < 0)
        {
            _piece = new byte[-length];
            length = context.Vocabulary.Piece(token, _piece, special);
        }

        return _piece.AsSpan(0, Math.Max(0, length));
    }

    private GenerationFigures Figures(Generation generation)
    {
        var now = clock.GetTimestamp();
        var started = generation.StartedAt == 0 ? now : generation.StartedAt;
        var first = generation.FirstTokenAt == 0 ? now : generation.FirstTokenAt;
        return new GenerationFigures(
            generation.Request.Prompt.Length,
            generation.Cached,
            generation.Generated,
            clock.GetElapsedTime(generation.ArrivedAt, started),
            clock.GetElapsedTime(started, first),
            generation.FirstTokenAt == 0 ? TimeSpan.Zero : clock.GetElapsedTime(first, generation.LastTokenAt));
    }
}
