using System.Text.Json;
using FinerCut.Calibration;

namespace FinerCut.Tests.Calibration;

public class TrafficDealTests
{
    [Fact]
    public void Sets_are_disjoint_whole_and_the_same_for_the_same_seed()
    {
        var (calibration, heldOut) = TrafficDeal.Deal(Traffic(101), 5);
        Assert.Empty(calibration.Select(one => one.Id).Intersect(heldOut.Select(one => one.Id)));
        Assert.Equal(101, calibration.Count + heldOut.Count);
        Assert.InRange(heldOut.Count, 50, 51);
        var again = TrafficDeal.Deal(Traffic(101).Reverse(), 5);
        Assert.Equal(calibration.Select(one => one.Id), again.Calibration.Select(one => one.Id));
        Assert.Equal(heldOut.Select(one => one.Id), again.HeldOut.Select(one => one.Id));
        Assert.NotEqual(calibration.Select(one => one.Id), TrafficDeal.Deal(Traffic(101), 6).Calibration.Select(one => one.Id));
    }

    [Fact]
    public void The_same_prompt_is_dealt_once()
    {
        RecordedConversation[] twice = [.. Traffic(10), .. Traffic(10).Select(one => one with { Id = one.Id + "again", Answer = "another" })];
        var (calibration, heldOut) = TrafficDeal.Deal(twice, 1);
        Assert.Equal(10, calibration.Count + heldOut.Count);
    }

    /// <summary>Every tenth is a completion, every fourth is long: so it is in both sets, and in the first quarter of each, which is what few tokens take of it.</summary>
    [Fact]
    public void Every_beginning_has_the_mixture_of_the_whole()
    {
        var traffic = Traffic(400).ToArray();
        var (calibration, heldOut) = TrafficDeal.Deal(traffic, 9);
        foreach (var set in new[] { calibration, heldOut, [.. calibration.Take(50)], [.. heldOut.Take(50)] })
        {
            Assert.InRange(set.Count(one => one.Messages is null) / (double)set.Count, 0.06, 0.14);
            Assert.InRange(set.Count(one => one.Answer.Length > 500) / (double)set.Count, 0.2, 0.3);
        }
    }

    [Fact]
    public void A_share_is_held_out()
    {
        var (calibration, heldOut) = TrafficDeal.Deal(Traffic(100), 5, 0.2);
        Assert.Equal((80, 20), (calibration.Count, heldOut.Count));
    }

    private static IEnumerable<RecordedConversation> Traffic(int count) => Enumerable.Range(0, count).Select(number => new RecordedConversation
    {
        Id = $"c{number}",
        Messages = number % 10 == 0 ? null : JsonElement.Parse($$"""[{"role":"user","content":"question {{number}}"}]"""),
        Prompt = number % 10 == 0 ? $"prompt {number}" : null,
        Answer = new string('x', number % 4 == 1 ? 600 + number : 20 + (number % 7)),
    });
}
