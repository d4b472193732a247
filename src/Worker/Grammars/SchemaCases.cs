using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// Turns schemas that must all hold into cases of which one must hold: references are followed, allOf is merged, anyOf and oneOf are multiplied
/// out. A case is a set of schemas whose own keywords, without those, must all hold.
/// </summary>
internal sealed class SchemaCases(GrammarLimits limits)
{
    /// <summary>Cases that "oneOf" made: they must exclude one another.</summary>
    public delegate void OneOfFound(SchemaNode node, IReadOnlyList<SchemaNode> alternatives);

    public event OneOfFound? Found;

    private readonly HashSet<int> _checked = [];

    public IReadOnlyList<ImmutableArray<SchemaNode>> Of(IEnumerable<SchemaNode> nodes)
    {
        List<ImmutableSortedDictionary<int, SchemaNode>> cases = [ImmutableSortedDictionary<int, SchemaNode>.Empty];
        foreach (var node in nodes) cases = And(cases, Expand(node, []), node);
        return [.. cases.Select(set => set.Values.ToImmutableArray()).DistinctBy(set => string.Join(',', set.Select(node => node.Id)))];
    }

    private List<ImmutableSortedDictionary<int, SchemaNode>> Expand(SchemaNode node, ImmutableHashSet<int> open)
    {
        if (open.Contains(node.Id)) throw new SchemaRefusedException(node.Path, "refers to itself with nothing in between: no document would ever be checked against it.");
        if (open.Count > limits.Depth) throw new SchemaRefusedException(node.Path, $"is reached through more than {limits.Depth} references and combinations.");
        if (node.IsNever) return [];
        if (!node.IsObject) return [ImmutableSortedDictionary<int, SchemaNode>.Empty];
        open = open.Add(node.Id);
        List<ImmutableSortedDictionary<int, SchemaNode>> cases = [ImmutableSortedDictionary<int, SchemaNode>.Empty.Add(node.Id, node)];
        if (node.Target is { } target) cases = And(cases, Expand(target, open), node);
        foreach (var part in node.Children("allOf")) cases = And(cases, Expand(part, open), node);
        if (node.Has("anyOf")) cases = And(cases, [.. node.Children("anyOf").SelectMany(part => Expand(part, open))], node);
        if (!node.Has("oneOf")) return cases;
        var alternatives = node.Children("oneOf").ToList();
        if (_checked.Add(node.Id)) Found?.Invoke(node, alternatives);
        return And(cases, [.. alternatives.SelectMany(part => Expand(part, open))], node);
    }

    private List<ImmutableSortedDictionary<int, SchemaNode>> And(
        List<ImmutableSortedDictionary<int, SchemaNode>> left, List<ImmutableSortedDictionary<int, SchemaNode>> right, SchemaNode at)
    {
        if ((long)left.Count * right.Count > limits.Alternatives)
            throw new SchemaRefusedException(at.Path, $"multiplies out to more than {limits.Alternatives} alternatives.");
        return [.. left.SelectMany(one => right.Select(other => one.Count >= other.Count ? one.SetItems(other) : other.SetItems(one)))];
    }
}
