using System.Text;

namespace FinerCut.Tests.Grammars;

/// <summary>
/// GBNF as llama.cpp's grammars/README.md describes it: reads a grammar's text, says whether a text matches as a whole, and makes random texts
/// that match. Written apart from the code under test; follows all paths at once, with stacks shared so that equal ones are one object.
/// </summary>
internal sealed partial class Gbnf
{
    private readonly Dictionary<string, Rule> _rules = new(StringComparer.Ordinal);
    private readonly Dictionary<(Stack?, Symbol[], int), Stack> _stacks = [];
    private string _root = "root";

    private Gbnf()
    {
    }

    public abstract record Symbol;

    public sealed record Chars(List<(int First, int Last)> Ranges, bool Negative) : Symbol
    {
        public bool Has(int c) => Ranges.Any(range => range.First <= c && c <= range.Last) != Negative;
    }

    public sealed record Rule(string Name) : Symbol
    {
        public List<Symbol[]> Ways { get; } = [];

        public int Cost { get; set; } = int.MaxValue / 4;
    }

    private sealed record Stack(Stack? Below, Symbol[] Way, int At)
    {
        public bool Equals(Stack? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    }

    public int RuleCount => _rules.Count;

    public static Gbnf Parse(string text, string root = "root")
    {
        var grammar = new Gbnf { _root = root };
        new Reader(grammar, text).Read();
        foreach (var rule in grammar._rules.Values)
        {
            if (rule.Ways.Count == 0) throw new FormatException($"rule {rule.Name} is not defined");
        }

        grammar.Costs();
        return grammar;
    }

    /// <summary>Whether the text matches from the first to the last character.</summary>
    public bool Accepts(string text) => Rest(text) == 0;

    /// <summary>How many characters were left when nothing matched any more; 0 = the whole text matches, -1 = it is only the beginning of one.</summary>
    public int Rest(string text)
    {
        var stacks = Close([Push(null, [_rules[_root]], 0)]);
        var left = text.EnumerateRunes().Count();
        foreach (var rune in text.EnumerateRunes())
        {
            var next = new List<Stack?>();
            foreach (var stack in stacks)
            {
                if (stack is not null && ((Chars)stack.Way[stack.At]).Has(rune.Value)) next.Add(Push(stack.Below, stack.Way, stack.At + 1));
            }

            stacks = Close(next);
            if (stacks.Count == 0) return left;
            left--;
        }

        return stacks.Contains(null) ? 0 : -1;
    }

    /// <summary>A random text that matches; shorter choices are taken once the budget is spent.</summary>
    public string Sample(Random random, int budget = 300)
    {
        var text = new StringBuilder();
        var todo = new Stack<Symbol>([_rules[_root]]);
        while (todo.TryPop(out var symbol))
        {
            if (symbol is Chars chars)
            {
                text.Append(new Rune(Pick(chars, random)));
                continue;
            }

            var rule = (Rule)symbol;
            var way = --budget > 0 ? rule.Ways[random.Next(rule.Ways.Count)] : rule.Ways.MinBy(Cost)!;
            foreach (var item in way.Reverse()) todo.Push(item);
        }

        return text.ToString();
    }

    private static int Pick(Chars chars, Random random)
    {
        if (chars.Negative) throw new NotSupportedException("negative class");
        var range = chars.Ranges[random.Next(chars.Ranges.Count)];
        if (random.Next(4) > 0) range = (range.First, Math.Min(range.Last, range.First + 100));
        var c = random.Next(range.First, range.Last + 1);
        return c is >= 0xD800 and < 0xE000 ? range.First : c;
    }

    private static int Cost(Symbol[] way) => (int)Math.Min(int.MaxValue / 4, way.Sum(symbol => (long)(symbol is Rule rule ? rule.Cost : 1)));

    private void Costs()
    {
        for (var changed = true; changed;)
        {
            changed = false;
            foreach (var rule in _rules.Values.Reverse())
            {
                var cost = rule.Ways.Min(Cost);
                if (cost >= int.MaxValue / 4 || cost + 1 >= rule.Cost) continue;
                rule.Cost = cost + 1;
                changed = true;
            }
        }
    }

    /// <summary>A stack whose top is at a symbol, with what is done left out; null is the end.</summary>
    private Stack? Push(Stack? below, Symbol[] way, int at)
    {
        if (at == way.Length) return below;
        if (_stacks.TryGetValue((below, way, at), out var known)) return known;
        return _stacks[(below, way, at)] = new Stack(below, way, at);
    }

    private HashSet<Stack?> Close(IEnumerable<Stack?> start)
    {
        var seen = new HashSet<Stack?>();
        var ends = new HashSet<Stack?>();
        var todo = new Stack<Stack?>(start);
        while (todo.TryPop(out var stack))
        {
            if (!seen.Add(stack)) continue;
            if (stack?.Way[stack.At] is not Rule rule)
            {
                ends.Add(stack);
                continue;
            }

            foreach (var way in rule.Ways) todo.Push(Push(Push(stack.Below, stack.Way, stack.At + 1), way, 0));
        }

        return ends;
    }
}
