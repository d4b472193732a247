using System.Collections.Immutable;

namespace FinerCut.Worker.Grammars;

/// <summary>How the texts of a language are spelled in the answer.</summary>
internal enum Spelling
{
    /// <summary>As they are.</summary>
    Raw,

    /// <summary>Inside a JSON string: the quotation mark, the backslash and control characters as escapes.</summary>
    Json,
}

/// <summary>
/// Writes regular languages into a grammar as deterministic automata, a rule a state: at every character the sampler follows one path. Texts
/// that end nowhere are cut off. Not thread-safe.
/// </summary>
internal sealed class LanguageRules(LanguageSpace space, GrammarRules rules, GrammarLimits limits)
{
    private readonly Dictionary<(int, Spelling), Expr> _written = [];
    private int _states;

    public LanguageSpace Space => space;

    /// <summary>An expression for the language's texts; null where it has none.</summary>
    public Expr? Write(Language language, Spelling spelling, string hint)
    {
        if (_written.TryGetValue((language.Id, spelling), out var known)) return known;
        var automaton = Explore(language);
        if (!automaton.ContainsKey(language)) return null;

        // A state that one other leads to, and that only leads on, is written in the other's place.
        var entries = automaton.Values.SelectMany(edges => edges.Select(edge => edge.To)).CountBy(state => state.Id).ToDictionary();
        var inline = new Dictionary<Language, ImmutableArray<Edge>>();
        foreach (var (state, edges) in automaton)
        {
            if (_written.ContainsKey((state.Id, spelling))) continue;
            if (state != language && !state.IsNullable && edges.Length == 1 && entries[state.Id] == 1 && edges[0].To != state) inline.Add(state, edges);
            else if (state == space.All && spelling == Spelling.Json) _written.Add((state.Id, spelling), Expr.Many(JsonSpelling.AnyChar(rules)));
            else if (state == space.All) _written.Add((state.Id, spelling), Expr.Many(Expr.Chars(CharSet.Any)));
            else if (state == space.Epsilon) _written.Add((state.Id, spelling), Expr.Empty);
            else _written.Add((state.Id, spelling), rules.Declare(hint));
        }

        foreach (var (state, edges) in automaton)
        {
            if (inline.ContainsKey(state) || _written[(state.Id, spelling)] is not Expr.Rule rule || rules.IsDefined(rule)) continue;
            var ways = edges.Select(edge => Way(edge, spelling, inline)).ToList();
            if (state.IsNullable) ways.Add(Expr.Empty);
            rules.Define(rule, Expr.Either(ways));
        }

        return _written[(language.Id, spelling)];
    }

    /// <summary>Whether no text belongs to it.</summary>
    public bool IsEmpty(Language language) => language != space.Epsilon && language != space.All && !Explore(language).ContainsKey(language);

    private sealed record Edge(CharSet Set, Language To);

    private Expr Way(Edge edge, Spelling spelling, Dictionary<Language, ImmutableArray<Edge>> inline)
    {
        var items = new List<Expr>();
        while (true)
        {
            items.Add(spelling == Spelling.Json ? JsonSpelling.Chars(edge.Set) : JsonSpelling.Plain(edge.Set));
            if (!inline.TryGetValue(edge.To, out var next)) break;
            edge = next[0];
        }

        items.Add(_written[(edge.To.Id, spelling)]);
        return Expr.Join(items);
    }

    /// <summary>All states from which the end of a text can be reached, with what leads to others of them.</summary>
    private Dictionary<Language, ImmutableArray<Edge>> Explore(Language start)
    {
        var states = new Dictionary<Language, List<Edge>>();
        var before = new Dictionary<Language, List<Language>>();
        var todo = new Queue<Language>([start]);
        states.Add(start, []);
        while (todo.TryDequeue(out var state))
        {
            if (state == space.None) continue;
            if (++_states > limits.States) throw new GrammarTooLargeException($"its patterns, formats and ranges need more than {limits.States} states");
            var sets = new Dictionary<Language, CharSet>();
            foreach (var set in space.Classes(state))
            {
                var to = space.Derive(state, set.Ranges[0].First);
                sets[to] = sets.TryGetValue(to, out var other) ? other.Union(set) : set;
            }

            foreach (var (to, set) in sets)
            {
                states[state].Add(new Edge(set, to));
                if (!before.TryGetValue(to, out var from)) before.Add(to, from = []);
                from.Add(state);
                if (states.TryAdd(to, [])) todo.Enqueue(to);
            }
        }

        var live = new HashSet<Language>(states.Keys.Where(state => state.IsNullable));
        var back = new Stack<Language>(live);
        while (back.TryPop(out var state))
        {
            foreach (var from in before.GetValueOrDefault(state) ?? [])
            {
                if (live.Add(from)) back.Push(from);
            }
        }

        return states.Where(state => live.Contains(state.Key)).ToDictionary(
            state => state.Key, state => state.Value.Where(edge => live.Contains(edge.To)).ToImmutableArray());
    }
}
