using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using FinerCut.Runtime;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.Speculation;

/// <summary>
/// A smaller model with the same vocabulary guesses its own most likely tokens. It keeps a context of its own, in which each generation has a
/// sequence as long as it is at work.
/// </summary>
public sealed class ModelDrafter : IDrafter
{
    private readonly ILlamaModel _model;
    private readonly ILlamaSession _session;
    private readonly TokenBatch _batch;
    private readonly float _least;
    private readonly int _longest;
    private readonly Dictionary<Generation, Track> _tracks = [];
    private readonly Stack<int> _free;
    private readonly List<(Track Track, int Index, int Room)> _open = [];

    /// <param name="model">Owned from here on, as is the session.</param>
    /// <param name="least">Probability below which a guess is not worth making.</param>
    public ModelDrafter(ILlamaModel model, ILlamaSession session, int most, float least)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(session);
        _model = model;
        _session = session;
        _least = least;
        // Beyond what it was trained for its guesses are worth nothing, and learned positions end there.
        _longest = model.Info.ContextLength > 0 ? model.Info.ContextLength : int.MaxValue;
        Most = most;
        _batch = new TokenBatch(Math.Min(session.Info.BatchSize, session.Info.MicroBatchSize));
        _free = new Stack<int>(Enumerable.Range(0, session.Info.MaxSequences).Reverse());
    }

    public int Most { get; }

    public void Draft(IReadOnlyList<Generation> generations, ReadOnlySpan<int> room)
    {
        ArgumentNullException.ThrowIfNull(generations);
        _open.Clear();
        _batch.Clear();
        var missing = 0;
        for (var i = 0; i < generations.Count; i++)
        {
            var most = Math.Min(Math.Min(room[i], Most), _longest - generations[i].TokenCount);
            if (most <= 0 || Follow(generations[i]) is not { } track) continue;
            _open.Add((track, -1, most));
            missing += generations[i].TokenCount - track.Tokens.Count;
        }

        // Logits last until the next decode, so the last tokens of all go together.
        if (missing > _batch.Capacity && !CatchUp()) return;
        for (var i = 0; i < _open.Count; i++)
        {
            var (track, index, most) = _open[i];
            var tokens = track.Generation.Tokens;
            for (var at = track.Tokens.Count; at < tokens.Length; at++) index = Put(track, tokens[at], logits: at == tokens.Length - 1);
            _open[i] = (track, index, most);
        }

        // All go on together, one token a decode, as long as they are sure enough.
        while (_open.Count > 0)
        {
            if (!Decode()) return;
            Extend();
        }
    }

    public void Forget(Generation generation)
    {
        if (!_tracks.Remove(generation, out var track)) return;
        _session.Memory.Remove(track.Sequence, -1, -1);
        _free.Push(track.Sequence);
    }

    public void Dispose()
    {
        _session.Dispose();
        _model.Dispose();
    }

    /// <summary>
    /// Why the two cannot work together; null where they can.
    /// </summary>
    public static string? Mismatch(IVocabulary target, IVocabulary draft)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(draft);
        if (target.Count != draft.Count) return $"it has {draft.Count} tokens, the model {target.Count}";
        Span<byte> first = stackalloc byte[512], second = stackalloc byte[512];
        for (var token = 0; token < target.Count; token++)
        {
            var length = target.Piece(token, first, special: true);
            if (length != draft.Piece(token, second, special: true)) return $"token {token} is another one";
            if (length > 0 && !first[..length].SequenceEqual(second[..length])) return $"token {token} is another one";
        }

        return null;
    }

    /// <summary>The generation's track, cut to what it still has in common with it; null where all sequences are taken.</summary>
    private Track? Follow(Generation generation)
    {
        if (!_tracks.TryGetValue(generation, out var track))
        {
            if (!_free.TryPop(out var sequence)) return null;
            _tracks[generation] = track = new Track(generation, sequence);
        }

        var tokens = generation.Tokens;
        Cut(track, Math.Min(tokens.Length - 1, tokens.CommonPrefixLength(CollectionsMarshal.AsSpan(track.Tokens))));
        return track;
    }

    /// <summary>Computes all but the last token of every open track. False where it failed.</summary>
    private bool CatchUp()
    {
        foreach (var (track, _, _) in _open)
        {
            var tokens = track.Generation.Tokens;
            for (var at = track.Tokens.Count; at < tokens.Length - 1; at++)
            {
                if (_batch.Count == _batch.Capacity && !Decode()) return false;
                Put(track, tokens[at], logits: false);
            }
        }

        return Decode();
    }

    private int Put(Track track, int token, bool logits)
    {
        track.Tokens.Add(token);
        return _batch.Add(token, track.Tokens.Count - 1, track.Sequence, logits);
    }

    private void Extend()
    {
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            var (track, index, room) = _open[i];
            var logits = _session.Logits(index);
            var token = TensorPrimitives.IndexOfMax(logits);
            if (_least > 0 && Probability(logits, token) < _least)
            {
                _open.RemoveAt(i);
                continue;
            }

            track.Generation.Guesses.Add(token);
            if (track.Generation.Guesses.Count < room) _open[i] = (track, Put(track, token, logits: true), room);
            else _open.RemoveAt(i);
        }
    }

    private static double Probability(ReadOnlySpan<float> logits, int token)
    {
        double sum = 0;
        foreach (var logit in logits) sum += Math.Exp(logit - logits[token]);
        return 1 / sum;
    }

    /// <summary>False where there was no room or the decode failed: no guesses this time, and a fresh start the next.</summary>
    private bool Decode()
    {
        var done = false;
        try
        {
            done = _batch.Count == 0 || _session.Decode(_batch) == DecodeStatus.Done;
        }
        catch (LlamaException)
        {
            // Guesses may fail: the answer does not need them.
        }

        _batch.Clear();
        if (done) return true;
        foreach (var track in _tracks.Values) Cut(track, 0);
        _open.Clear();
        return false;
    }

    private void Cut(Track track, int length)
    {
        if (length >= track.Tokens.Count) return;
        if (!_session.Memory.Remove(track.Sequence, length, -1))
        {
            _session.Memory.Remove(track.Sequence, -1, -1);
            length = 0;
        }

        track.Tokens.RemoveRange(length, track.Tokens.Count - length);
    }

    private sealed class Track(Generation generation, int sequence)
    {
        public Generation Generation => generation;

        public int Sequence => sequence;

        public List<int> Tokens { get; } = [];
    }
}
