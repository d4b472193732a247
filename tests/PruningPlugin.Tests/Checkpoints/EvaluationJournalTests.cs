using FinerCut.Masks;
using FinerCut.Pruning.Checkpoints;
using FinerCut.Pruning.Searches;
using FinerCut.Pruning.Tests.Searches;

namespace FinerCut.Pruning.Tests.Checkpoints;

public sealed class EvaluationJournalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-journal-").FullName;

    private string Place => Path.Combine(_folder, "work", "checkpoint.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Killed after any number of evaluations, a search resumed from its journal makes the same steps with the same evaluations in all.</summary>
    [Theory]
    [MemberData(nameof(HardLandscapeTests.All), MemberType = typeof(HardLandscapeTests))]
    public void A_killed_search_resumes_to_the_same_steps(string name)
    {
        var units = Landscape.Map(6);
        var distance = Landscape.Supermodular(9, units.Count);
        var problem = Landscape.Problem(units, new SearchBudget(null, 100));
        ISearch search = HardLandscapeTests.Make(name, problem);
        var whole = new Landscape(units, distance);
        var all = EvaluationJournal.Open(Path.Combine(_folder, "whole.json"), "job");
        var undisturbed = search.Run(problem, new JournaledScorer(whole, all, TimeProvider.System), new Witness(), CancellationToken.None);

        foreach (var killAt in new[] { 0, 1, 7, 12, 13, whole.Asked - 1 }.Where(at => at < whole.Asked))
        {
            if (File.Exists(Place)) File.Delete(Place);
            using var stop = new CancellationTokenSource();
            var first = new Landscape(units, distance) { BeforeAny = asked => { if (asked == killAt) stop.Cancel(); } };
            var journal = EvaluationJournal.Open(Place, "job");
            Assert.Throws<OperationCanceledException>(() => search.Run(problem, new JournaledScorer(first, journal, TimeProvider.System), new Witness(), stop.Token));
            journal.Save();

            var second = new Landscape(units, distance);
            var resumed = search.Run(problem, new JournaledScorer(second, EvaluationJournal.Open(Place, "job"), TimeProvider.System), new Witness(), CancellationToken.None);
            Assert.Equal(undisturbed.Select(step => (step.Mask, step.Distance, step.Evaluations)), resumed.Select(step => (step.Mask, step.Distance, step.Evaluations)));
            Assert.Equal(whole.Asked, first.Asked + second.Asked);
        }
    }

    [Fact]
    public void Scores_come_back_bit_by_bit_whatever_they_are()
    {
        var units = Landscape.Map(40);
        var journal = EvaluationJournal.Open(Place, "job");
        double[] scores = [0.1, 1.0 / 3, double.NaN, double.PositiveInfinity, 5e-324, 0];
        for (var index = 0; index < scores.Length; index++) journal.Add(CutMask.Of(units, [index, 70 + index]), 1, scores[index], index);
        journal.Save(["attn:0"]);
        var read = EvaluationJournal.Open(Place, "job");
        for (var index = 0; index < scores.Length; index++) Assert.Equal(scores[index], read.Find(CutMask.Of(units, [index, 70 + index]), 1)!.Distance);
        Assert.Null(read.Find(CutMask.Of(units, [0, 70]), 0.5));
        Assert.Equal(5, read.Seconds);
        Assert.Equal([Place], Directory.GetFiles(Path.GetDirectoryName(Place)!));
    }

    [Fact]
    public void Another_jobs_checkpoint_is_refused()
    {
        EvaluationJournal.Open(Place, "job").Save();
        var refused = Assert.Throws<CheckpointException>(() => EvaluationJournal.Open(Place, "changed job"));
        Assert.Contains("another request, model or traffic", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{\"version\":99,\"fingerprint\":\"job\",\"evaluations\":[],\"steps\":[]}")]
    public void A_damaged_checkpoint_is_refused_with_what_to_do(string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Place)!);
        File.WriteAllText(Place, content);
        var refused = Assert.Throws<CheckpointException>(() => EvaluationJournal.Open(Place, "job"));
        Assert.Contains("Delete it", refused.Message, StringComparison.Ordinal);
    }
}
