using System.Collections.Immutable;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Pruning.Dealing;
using FinerCut.Pruning.Searches;

namespace FinerCut.Tests.Dealing;

/// <summary>Several machines against one: fakes whose sums are a hash of the mask, so that any mix-up shows in the last bit.</summary>
public class DealtScorerTests
{
    private static readonly UnitMap Units = UnitMap.Sublayers(new ModelShape("llama", 64, 16, 100, [.. Enumerable.Repeat(new BlockShape(4, 2, 128, 1000, 2000), 6)], 30_000));
    private static readonly ImmutableArray<int> Rows = [128, 128, 100, 128, 60];

    [Fact]
    public void Paper_search_over_machines_of_which_some_fail_and_some_dawdle_is_one_machines_to_the_last_bit()
    {
        var problem = new SearchProblem(Moves.Sublayers(Units, new HashSet<Sublayer>()), UnitCosts.Even(Units), new SearchBudget(5, null), WarmUp: false);
        var alone = Run([new FakeMachine()]);
        var failing = new FakeMachine { FailsEvery = 3 };
        var together = Run([new FakeMachine(), failing, new FakeMachine { Delay = 5 }, new FakeMachine { Delay = 1 }]);
        Assert.Equal(alone.Select(step => (step.Removed.Name, step.Distance, step.Evaluations)), together.Select(step => (step.Removed.Name, step.Distance, step.Evaluations)));
        Assert.True(failing.Failures > 0, "nothing failed, so nothing is proved");

        IReadOnlyList<SearchStep> Run(IReadOnlyList<IBatchScorer> machines) => new PaperSearch().Run(problem, new DealtScorer(Units, Rows, machines, TimeProvider.System), new Silent(), default);
    }

    [Fact]
    public void A_share_of_the_tokens_is_the_first_batches_as_on_one_machine()
    {
        var mask = CutMask.None(Units).With(3);
        var dealt = new DealtScorer(Units, Rows, [new FakeMachine(), new FakeMachine()], TimeProvider.System);
        var expected = Enumerable.Range(0, 2).Sum(batch => FakeMachine.Sum(mask, batch)) / (Rows[0] + Rows[1]);
        Assert.Equal(expected, Assert.Single(dealt.Score([mask], 0.4, default)));
    }

    [Fact]
    public void Without_any_machine_that_scores_the_cause_is_told()
    {
        var dealt = new DealtScorer(Units, Rows, [new FakeMachine { FailsEvery = 1 }, new FakeMachine { FailsEvery = 1 }], TimeProvider.System);
        Assert.Contains("told to", Assert.Throws<BatchScorerException>(() => dealt.Score([CutMask.None(Units)], 1, default)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_search_that_is_cancelled_ends()
    {
        using var cancel = new CancellationTokenSource();
        var dealt = new DealtScorer(Units, Rows, [new FakeMachine { Delay = 60_000 }], TimeProvider.System);
        cancel.CancelAfter(50);
        Assert.ThrowsAny<OperationCanceledException>(() => dealt.Score([CutMask.None(Units)], 1, cancel.Token));
    }

    private sealed class FakeMachine : IBatchScorer
    {
        private int _calls;

        public int FailsEvery { get; init; }

        public int Delay { get; init; }

        public int Failures { get; private set; }

        public static double Sum(CutMask mask, int batch)
        {
            var hash = 17.0 * (batch + 1);
            foreach (var unit in mask.Removed()) hash = Math.Sin((hash * 1.7) + unit) + (unit * 0.1);
            return Math.Abs(hash);
        }

        public async Task<IReadOnlyList<double>> SumsAsync(CutMask announced, IReadOnlyList<CutMask> masks, int batch, CancellationToken cancellationToken)
        {
            if (Delay > 0) await Task.Delay(Delay, cancellationToken);
            if (FailsEvery > 0 && ++_calls % FailsEvery == 0)
            {
                Failures++;
                throw new BatchScorerException("It was told to.");
            }

            return [.. masks.Select(mask => Sum(mask, batch))];
        }
    }

    private sealed class Silent : ISearchObserver
    {
        public void Evaluated(SearchPace pace)
        {
        }

        public void Stepped(SearchStep step, SearchPace pace)
        {
        }
    }
}
