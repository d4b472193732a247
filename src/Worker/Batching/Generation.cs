using System.Runtime.InteropServices;
using FinerCut.Runtime;
using FinerCut.Worker.Completions;
using FinerCut.Worker.Sequences;

namespace FinerCut.Worker.Batching;

/// <summary>
/// A request on its way through the batch loop. Everything here belongs to the loop's thread, but <see cref="Cancel"/> and
/// <see cref="Outbox"/>'s reading side, which may be used from any.
/// </summary>
public sealed class Generation
{
    private readonly List<int> _tokens;
    private volatile bool _cancelled;

    public Generation(GenerationRequest request, OutboxSignal signal)
    {
        ArgumentNullException.ThrowIfNull(request);
        Request = request;
        Outbox = new Outbox(signal);
        Text = new TextAssembler(request.Stops);
        _tokens = new List<int>(request.Prompt.Length + Math.Min(request.MaxTokens ?? 256, 1024));
        _tokens.AddRange(request.Prompt.AsSpan());
    }

    public GenerationRequest Request { get; }

    public Outbox Outbox { get; }

    /// <summary>The client is gone. The loop ends the generation before its next token.</summary>
    public bool IsCancelled => _cancelled;

    /// <summary>Set once by the loop.</summary>
    internal bool IsEnded { get; set; }

    internal TextAssembler Text { get; }

    internal Sequence? Sequence { get; set; }

    internal ISampler? Sampler { get; set; }

    /// <summary>Another generation that is computing the same beginning, which this one waits for instead of computing it again.</summary>
    internal Generation? Leader { get; set; }

    /// <summary>Tokens of the beginning shared with <see cref="Leader"/>.</summary>
    internal int LeaderTokens { get; set; }

    internal int Cached { get; set; }

    internal int Generated => _tokens.Count + Shifted - Request.Prompt.Length;

    /// <summary>Tokens that were forgotten because the context was full.</summary>
    internal int Shifted { get; private set; }

    /// <summary>What a drafter guesses to come next, for one step.</summary>
    internal List<int> Guesses { get; } = [];

    internal int Guessed { get; set; }

    internal int GuessedRight { get; set; }

    /// <summary>Number of its set of adapter strengths; -1 = not yet looked up.</summary>
    internal int AdapterSet { get; set; } = -1;

    /// <summary>The sequence it last had; -1 = none.</summary>
    internal int LastSequence { get; set; } = -1;

    /// <summary>Prompt and what was generated, the last token of which is not computed yet.</summary>
    internal ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    internal int TokenCount => _tokens.Count;

    internal int Computed => Sequence?.Length ?? 0;

    /// <summary>Tokens to be computed before the next one can be sampled; 1 while decoding.</summary>
    internal int Remaining => _tokens.Count - Computed;

    /// <summary>Index in the batch of the logits to sample from in this step, -1 where it has none.</summary>
    internal int LogitsIndex { get; set; } = -1;

    /// <summary>Tokens of this step's batch.</summary>
    internal int Planned { get; set; }

    /// <summary>Time stamps of the loop's TimeProvider; 0 = not yet.</summary>
    internal long ArrivedAt { get; set; }

    internal long StartedAt { get; set; }

    internal long FirstTokenAt { get; set; }

    internal long LastTokenAt { get; set; }

    public void Cancel() => _cancelled = true;

    internal void Append(int token) => _tokens.Add(token);

    /// <summary>Forgets tokens in the middle.</summary>
    internal void Forget(int from, int count)
    {
        _tokens.RemoveRange(from, count);
        Shifted += count;
    }
}
