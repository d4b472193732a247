using System.Text;

namespace FinerCut.Worker.Grammars;

/// <summary>The rules of one grammar while it is built. Not thread-safe.</summary>
internal sealed class GrammarRules(GrammarLimits limits)
{
    private const int NameLength = 48;

    private readonly List<Expr?> _bodies = [];
    private readonly List<string> _names = [];
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal) { "root" };
    private readonly Dictionary<string, Expr> _once = new(StringComparer.Ordinal);

    public int Count => _bodies.Count;

    /// <summary>A rule to be defined later, which is how rules refer to themselves.</summary>
    public Expr.Rule Declare(string hint)
    {
        if (_bodies.Count >= limits.Rules) throw new GrammarTooLargeException($"it needs more than {limits.Rules} rules");
        _bodies.Add(null);
        _names.Add(Name(hint));
        return new Expr.Rule(_bodies.Count - 1);
    }

    public void Define(Expr.Rule rule, Expr body) => _bodies[rule.Id] = body;

    public bool IsDefined(Expr.Rule rule) => _bodies[rule.Id] is not null;

    public Expr.Rule Add(string hint, Expr body)
    {
        var rule = Declare(hint);
        Define(rule, body);
        return rule;
    }

    /// <summary>A rule that the whole grammar shares.</summary>
    public Expr Once(string name, Func<Expr> body)
    {
        if (_once.TryGetValue(name, out var known)) return known;
        var rule = Declare(name);
        _once.Add(name, rule);
        Define(rule, body());
        return rule;
    }

    /// <summary>From least to most of an item, which must not match the empty text. Long counts are built from blocks: libllama stops counting at 2,000.</summary>
    public Expr Times(Expr item, int least, int? most, string hint) => new Repetition(this, item, hint).Write(least, most);

    /// <summary>The grammar's text with <paramref name="root"/> as rule "root"; null where no text of finite length matches.</summary>
    public string? Write(Expr root)
    {
        var pruned = Pruning.Productive(_bodies, root);
        if (pruned.Root is not { } start) return null;
        GrammarShape.Check(pruned.Bodies, start, limits);

        var text = new StringBuilder("root ::= ");
        var names = new Dictionary<int, string>();
        var todo = new Queue<int>();
        GbnfWriter.Write(text, start, Named);
        text.Append('\n');
        while (todo.TryDequeue(out var id))
        {
            text.Append(names[id]).Append(" ::= ");
            GbnfWriter.Write(text, pruned.Bodies[id]!, Named);
            text.Append('\n');
            if (text.Length > limits.GrammarChars) throw new GrammarTooLargeException($"its grammar has more than {limits.GrammarChars} characters");
        }

        return text.ToString();

        string Named(int id)
        {
            if (names.TryGetValue(id, out var name)) return name;
            todo.Enqueue(id);
            return names[id] = _names[id];
        }
    }

    private string Name(string hint)
    {
        var name = new StringBuilder(NameLength);
        foreach (var letter in hint)
        {
            if (name.Length == NameLength) break;
            if (char.IsAsciiLetterOrDigit(letter)) name.Append(letter);
            else if (name.Length > 0 && name[^1] != '-') name.Append('-');
        }

        var stem = name.ToString().Trim('-');
        if (stem.Length == 0) stem = "r";
        var free = stem;
        for (var i = _names.Count; !_taken.Add(free); i++) free = $"{stem}-{i}";
        return free;
    }
}
