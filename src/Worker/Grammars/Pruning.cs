using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

/// <summary>Leaves out what can never end: a model led into it could not finish its answer.</summary>
internal static class Pruning
{
    public static (ImmutableArray<Expr?> Bodies, Expr? Root) Productive(IReadOnlyList<Expr?> bodies, Expr root)
    {
        var productive = new bool[bodies.Count];
        var users = new Dictionary<int, List<int>>();
        for (var id = 0; id < bodies.Count; id++) Uses(bodies[id], id, users);
        var todo = new Queue<int>(Enumerable.Range(0, bodies.Count).Reverse());
        while (todo.TryDequeue(out var id))
        {
            if (productive[id] || bodies[id] is not { } body || !Ends(body, productive)) continue;
            productive[id] = true;
            foreach (var user in users.GetValueOrDefault(id) ?? []) todo.Enqueue(user);
        }

        return ([.. bodies.Select(body => body is null ? null : Prune(body, productive))], Prune(root, productive));
    }

    private static void Uses(Expr? expr, int by, Dictionary<int, List<int>> users)
    {
        switch (expr)
        {
            case Expr.Rule rule:
                if (!users.TryGetValue(rule.Id, out var list)) users.Add(rule.Id, list = []);
                if (list.Count == 0 || list[^1] != by) list.Add(by);
                break;
            case Expr.Seq seq:
                foreach (var item in seq.Items) Uses(item, by, users);
                break;
            case Expr.Alt alt:
                foreach (var item in alt.Items) Uses(item, by, users);
                break;
            case Expr.Repeat repeat:
                Uses(repeat.Item, by, users);
                break;
        }
    }

    private static bool Ends(Expr expr, bool[] productive) => expr switch
    {
        Expr.Rule rule => productive[rule.Id],
        Expr.Class set => !set.Set.IsEmpty,
        Expr.Seq seq => seq.Items.All(item => Ends(item, productive)),
        Expr.Alt alt => alt.Items.Any(item => Ends(item, productive)),
        Expr.Repeat repeat => repeat.Least == 0 || Ends(repeat.Item, productive),
        _ => true,
    };

    private static Expr? Prune(Expr expr, bool[] productive)
    {
        switch (expr)
        {
            case Expr.Rule rule:
                return productive[rule.Id] ? rule : null;
            case Expr.Class set:
                return set.Set.IsEmpty ? null : set;
            case Expr.Seq seq:
                var items = seq.Items.Select(item => Prune(item, productive)).ToList();
                return items.Contains(null) ? null : Expr.Join(items!);
            case Expr.Alt alt:
                var ways = alt.Items.Select(item => Prune(item, productive)).OfType<Expr>().ToList();
                return ways.Count == 0 ? null : Expr.Either(ways);
            case Expr.Repeat repeat:
                if (Prune(repeat.Item, productive) is { } kept) return kept == Expr.Empty ? Expr.Empty : repeat with { Item = kept };
                return repeat.Least == 0 ? Expr.Empty : null;
            default:
                return expr;
        }
    }
}
