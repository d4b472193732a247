using System.Runtime.InteropServices;

namespace FinerCut.Worker.Sequences;

/// <summary>One of the context's sequence ids, and the tokens whose KV cells it holds.</summary>
public sealed class Sequence
{
    private readonly List<int> _tokens = [];

    internal Sequence(int id) => Id = id;

    public int Id { get; }

    /// <summary>Tokens that are computed; position = index.</summary>
    public int Length => _tokens.Count;

    /// <summary>A request works on it. Otherwise it is kept for its prefix, or empty.</summary>
    public bool InUse { get; internal set; }

    /// <summary>The set of adapter strengths that its cells were computed with.</summary>
    public int AdapterSet { get; internal set; }

    internal CellLedger.Path Cells { get; } = new();

    /// <summary>Order of last use, for eviction.</summary>
    internal long LastUse { get; set; }

    internal ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    internal void Append(ReadOnlySpan<int> tokens) => _tokens.AddRange(tokens);

    internal void Cut(int length) => _tokens.RemoveRange(length, _tokens.Count - length);
}
