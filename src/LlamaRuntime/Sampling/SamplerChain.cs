namespace FinerCut.Runtime.Native;

/// <summary>
/// A llama_sampler chain, with a grammar beside it. As in llama.cpp's server the chain samples first and the grammar is asked about that one
/// token; only when it refuses are all candidates filtered and sampled again.
/// </summary>
internal sealed unsafe class SamplerChain : ISampler
{
    private readonly Session _session;
    private readonly int _vocabularySize;
    private readonly TokenSelection _selection;
    private readonly SamplerHandle? _chain;
    private readonly SamplerHandle? _grammar;
    private bool _disposed;

    private SamplerChain(Session session, int vocabularySize, TokenSelection selection, SamplerHandle? chain, SamplerHandle? grammar)
    {
        _session = session;
        _vocabularySize = vocabularySize;
        _selection = selection;
        _chain = chain;
        _grammar = grammar;
    }

    internal static SamplerChain Create(Session session, LoadedModel model, SamplerOptions options, TokenSelection selection, NativeLog log)
    {
        ChainLinks.Require(options, model.Words.Count);
        var grammar = ChainLinks.Grammar(options, model, log);
        try
        {
            return new SamplerChain(session, model.Words.Count, selection, ChainLinks.Build(options, model, session.Info.ContextLength), grammar);
        }
        catch
        {
            grammar?.Dispose();
            throw;
        }
    }

    public int Sample(int batchIndex)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var logits = _session.Logits(batchIndex);
        var token = _chain is null ? TokenSelection.Largest(logits) : Choose(_selection.All(logits));
        if (_grammar is not null)
        {
            if (!GrammarTakes(token)) token = ChooseByGrammar(logits);
            Llama.SamplerAccept(_grammar, token);
        }

        if (_chain is not null) Llama.SamplerAccept(_chain, token);
        return token;
    }

    public void Accept(int token)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabularySize);
        if (_chain is not null) Llama.SamplerAccept(_chain, token);
    }

    public void Dispose()
    {
        _disposed = true;
        _chain?.Dispose();
        _grammar?.Dispose();
    }

    private bool GrammarTakes(int token)
    {
        var candidate = new LlamaTokenData { Id = token, Logit = 1 };
        var single = TokenSelection.Single(&candidate);
        Llama.SamplerApply(_grammar!, &single);
        return !float.IsNegativeInfinity(candidate.Logit);
    }

    /// <summary>The grammar would abort the process if it were made to accept a token that it refuses, so what is returned is one it takes.</summary>
    private int ChooseByGrammar(ReadOnlySpan<float> logits)
    {
        var candidates = _selection.All(logits);
        Llama.SamplerApply(_grammar!, &candidates);
        var best = -1;
        for (var i = 0; i < (int)candidates.Size; i++)
        {
            var logit = candidates.Data[i].Logit;
            if (!float.IsNegativeInfinity(logit) && (best < 0 || logit > candidates.Data[best].Logit)) best = i;
        }

        if (best < 0) throw new LlamaException(LlamaErrorCode.InvalidGrammar, "No token of the vocabulary continues the grammar here.");
        return _chain is null ? candidates.Data[best].Id : Choose(candidates);
    }

    private int Choose(LlamaTokenDataArray candidates)
    {
        Llama.SamplerApply(_chain!, &candidates);
        var selected = candidates.Selected;
        if (selected < 0 || (nuint)selected >= candidates.Size)
            throw new LlamaException(LlamaErrorCode.DecodeFailed, "The sampler chain chose no token: its options leave none with a probability.");
        ref var chosen = ref candidates.Data[selected];
        return float.IsNaN(chosen.Logit) || float.IsNegativeInfinity(chosen.Logit)
            ? throw new LlamaException(LlamaErrorCode.InvalidOption, "The logit biases and the grammar together leave no token to sample.")
            : chosen.Id;
    }
}
