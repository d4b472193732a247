using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace FinerCut.Worker.Grammars;

/// <summary>
/// What libllama's check for left recursion (src/llama-grammar.cpp, v0.5.0) would meet: it follows every leftmost path of every rule by
/// recursion and remembers none, so that thirty rules of two alternatives each are a billion steps. Found out here in linear time.
/// </summary>
internal sealed class GrammarShape
{
    private const int MaxDepth = 2000;

    private readonly ImmutableArray<Expr?> _bodies;
    private readonly long[] _steps;
    private readonly bool?[] _empty;
    private readonly bool[] _open;
    private int _depth;

    private GrammarShape(ImmutableArray<Expr?> bodies)
    {
        _bodies = bodies;
        _steps = new long[bodies.Length];
        _empty = new bool?[bodies.Length];
        _open = new bool[bodies.Length];
    }

    /// <exception cref="GrammarTooLargeException">Left recursion, or too many or too long leftmost paths.</exception>
    public static void Check(ImmutableArray<Expr?> bodies, Expr root, GrammarLimits limits)
    {
        var shape = new GrammarShape(bodies);
        var sum = shape.Steps(root);
        for (var id = 0; id < bodies.Length; id++)
        {
            if (bodies[id] is not null) sum = Math.Min(long.MaxValue / 4, sum + shape.Rule(id));
        }

        if (sum > limits.LeftmostSteps) throw new GrammarTooLargeException("its alternatives multiply out: too many of them begin with alternatives again");
    }

    private long Rule(int id)
    {
        if (_open[id]) throw new GrammarTooLargeException("a rule begins with itself (left recursion)");
        if (_steps[id] > 0) return _steps[id];
        if (++_depth > MaxDepth) throw new GrammarTooLargeException($"more than {MaxDepth} rules begin with one another");
        _open[id] = true;
        var steps = 1 + Steps(_bodies[id]!);
        _open[id] = false;
        _depth--;
        return _steps[id] = Math.Min(steps, long.MaxValue / 4);
    }

    private long Steps(Expr expr)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (expr)
        {
            case Expr.Rule rule:
                return Rule(rule.Id);
            case Expr.Alt alt:
                return 1 + Sum(alt.Items);
            case Expr.Seq seq:
                var leading = new List<Expr>();
                foreach (var item in seq.Items)
                {
                    leading.Add(item);
                    if (!MayBeEmpty(item)) break;
                }

                return Sum(leading);
            case Expr.Repeat repeat:
                var inner = Steps(repeat.Item);
                return 1 + (MayBeEmpty(repeat.Item) ? Math.Min(long.MaxValue / 4, inner) / 1 * Math.Max(1, Math.Min(2000, repeat.Most ?? 1)) : inner);
            default:
                return 0;
        }
    }

    private long Sum(IEnumerable<Expr> items) => items.Aggregate(0L, (sum, item) => Math.Min(long.MaxValue / 8192, sum + Steps(item)));

    private bool MayBeEmpty(Expr expr)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return expr switch
        {
            Expr.Rule rule => _empty[rule.Id] ??= RuleMayBeEmpty(rule.Id),
            Expr.Alt alt => alt.Items.Any(MayBeEmpty),
            Expr.Seq seq => seq.Items.All(MayBeEmpty),
            Expr.Repeat repeat => repeat.Least == 0 || MayBeEmpty(repeat.Item),
            Expr.Literal literal => literal.Value.Length == 0,
            _ => false,
        };
    }

    private bool RuleMayBeEmpty(int id)
    {
        // Until it is known: a rule that is empty only by itself is not.
        _empty[id] = false;
        return MayBeEmpty(_bodies[id]!);
    }
}
