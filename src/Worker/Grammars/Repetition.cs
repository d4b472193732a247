namespace FinerCut.Worker.Grammars;

/// <summary>
/// Counted repetition that libllama takes whatever the count: it refuses to repeat more than 2,000 times and, worse, takes a higher maximum for
/// none. Beyond <see cref="Block"/> the count is made of blocks of that size; a block and what is left over differ in length only, so that the
/// sampler follows two paths at most.
/// </summary>
internal sealed class Repetition(GrammarRules rules, Expr item, string hint)
{
    private const int Block = 500;

    private Expr? _block;

    public Expr Write(int least, int? most)
    {
        if (most == 0) return Expr.Empty;
        var one = item is Expr.Rule or Expr.Class or Expr.Literal ? item : rules.Add(hint, item);
        var fixedPart = Exactly(one, least);
        if (most is null) return Expr.Join(fixedPart, Expr.Many(one));
        return most == least ? fixedPart : Expr.Join(fixedPart, UpTo(one, most.Value - least));
    }

    private Expr Exactly(Expr one, int count)
    {
        if (count == 0) return Expr.Empty;
        if (count <= Block) return count == 1 ? one : Expr.Many(one, count, count);
        var blocks = Enumerable.Repeat<Expr>(BlockRule(one), count / Block);
        return count % Block == 0 ? Expr.Join(blocks) : Expr.Join([.. blocks, Exactly(one, count % Block)]);
    }

    private Expr UpTo(Expr one, int count)
    {
        if (count <= Block) return Expr.Many(one, 0, count);
        var block = BlockRule(one);
        var less = Expr.Many(one, 0, Block - 1);
        var lessRule = rules.Add(hint + "-less", less);
        Expr rest = rules.Add(hint + "-upto", Expr.Many(one, 0, Math.Max(1, count % Block)));
        if (count % Block == 0) rest = Expr.Empty;
        for (var i = 0; i < count / Block; i++) rest = rules.Add(hint + "-upto", Expr.Either(Expr.Join(block, rest), lessRule));
        return rest;
    }

    private Expr BlockRule(Expr one) => _block ??= rules.Add(hint + "-block", Expr.Many(one, Block, Block));
}
