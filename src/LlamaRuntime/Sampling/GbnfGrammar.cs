namespace FinerCut.Runtime.Native;

/// <summary>
/// Checks a GBNF text before libllama sees it (src/llama-grammar.cpp, v0.5.0). The library prints the whole text to stderr when it is wrong, and
/// never returns from some that are right: {5,2} counts down from 2^64, and its search for left recursion walks every path. What passes here loads there.
/// </summary>
internal sealed class GbnfGrammar
{
    private const int MaxText = 1 << 20;
    private const int MaxRules = 200_000;
    private const int MaxElements = 4_000_000;
    private const long MaxPaths = 10_000_000;
    private const int MaxDepth = 4_000;
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);
    private readonly List<List<List<int>>?> _rules = [];
    private long _elements;

    /// <summary>Stands in an alternative for something that consumes text; other entries are numbers of rules.</summary>
    internal const int Terminal = -1;

    /// <summary>Names and numbers given out so far, rules made for groups and repetitions included.</summary>
    internal int SymbolCount => _rules.Count;

    /// <exception cref="LlamaException">InvalidGrammar, with line and column.</exception>
    internal static void Require(string text, string root, Func<string, bool> isToken)
    {
        if (text.Length > MaxText) throw Refused($"it has {text.Length} characters, at most {MaxText} are taken");
        if (text.Contains('\0')) throw Refused("it contains a NUL character");
        var grammar = new GbnfGrammar();
        new GbnfReader(text, grammar, isToken).Read();
        foreach (var (name, number) in grammar._names)
        {
            if (grammar._rules[number] is null) throw Refused($"the rule \"{name}\" is used and not defined");
        }

        if (!grammar._names.ContainsKey(root)) throw Refused($"it has no rule \"{root}\"");
        grammar.RequireSearchable();
    }

    internal static LlamaException Refused(string why) => new(LlamaErrorCode.InvalidGrammar, $"The grammar is refused: {why}.");

    internal int Named(string name)
    {
        if (!_names.TryGetValue(name, out var number)) _names[name] = number = New();
        return number;
    }

    internal int New()
    {
        if (_rules.Count == MaxRules) throw Refused($"it needs more than {MaxRules} rules, those for repetitions included");
        _rules.Add(null);
        return _rules.Count - 1;
    }

    internal void Define(int number, List<List<int>> alternatives) => _rules[number] = alternatives;

    internal void Count(long elements)
    {
        _elements += elements;
        if (_elements > MaxElements) throw Refused($"it unrolls to more than {MaxElements} elements; use smaller repetitions");
    }

    /// <summary>The library follows the leftmost rules recursively and without remembering: neither depth nor number of such paths may grow large.</summary>
    private void RequireSearchable()
    {
        var paths = new long[_rules.Count];
        var depths = new int[_rules.Count];
        var open = new bool[_rules.Count];
        var work = new Stack<int>();
        long total = 0;
        for (var start = 0; start < _rules.Count; start++)
        {
            work.Push(start);
            while (work.TryPop(out var rule))
            {
                if (paths[rule] != 0) continue;
                var leftmost = Leftmost(rule);
                if (!open[rule])
                {
                    open[rule] = true;
                    work.Push(rule);
                    foreach (var next in leftmost.Where(next => paths[next] == 0))
                    {
                        if (open[next]) throw Refused($"a rule starts with itself (left recursion{NameOf(next)})");
                        work.Push(next);
                    }
                }
                else
                {
                    open[rule] = false;
                    paths[rule] = 1;
                    foreach (var next in leftmost)
                    {
                        if (paths[next] == 0) throw Refused($"a rule starts with itself (left recursion{NameOf(next)})");
                        paths[rule] = Math.Min(MaxPaths + 1, paths[rule] + paths[next]);
                        depths[rule] = Math.Max(depths[rule], depths[next] + 1);
                    }

                    total += paths[rule];
                    if (total > MaxPaths || depths[rule] > MaxDepth) throw Refused("its rules start with each other in too many ways");
                }
            }
        }
    }

    private List<int> Leftmost(int rule)
    {
        var found = new List<int>();
        foreach (var alternative in _rules[rule] ?? [])
        {
            foreach (var element in alternative)
            {
                if (element == Terminal) break;
                found.Add(element);
                if (!(_rules[element] ?? []).Any(other => other.Count == 0)) break;
            }
        }

        return found;
    }

    private string NameOf(int rule) => _names.FirstOrDefault(entry => entry.Value == rule).Key is { } name ? $" in \"{name}\"" : string.Empty;
}
