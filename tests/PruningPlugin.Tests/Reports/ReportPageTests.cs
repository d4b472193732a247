using System.Xml.Linq;
using FinerCut.Jobs;
using FinerCut.Pruning.Reports;

namespace FinerCut.Pruning.Tests.Reports;

public class ReportPageTests
{
    private static readonly PruneResult Result = new()
    {
        JobId = "job-7",
        Outcome = PruneOutcome.Refused,
        Blocks = 6,
        Removed = ["attn:2", "ffn:4/slice0"],
        Shares = [new("attn:2", 1), new("ffn:4", 0.25)],
        Units =
        [
            .. Enumerable.Range(0, 6).SelectMany(block => new SublayerUnits[]
            {
                new($"attn:{block}", 3, block == 2 ? [0, 1, 2] : [], []),
                new($"ffn:{block}", 4, block == 4 ? [0] : [], block == 5 ? [0.001, null, null, null] : []),
            }),
        ],
        Healed = ["attn:2 linear"],
        HealingGains = [new("attn:2 linear", 0.375, 50_000)],
        UnhealedKl = new Estimate(0.81, 0.7, 0.9),
        Notes = ["FFN channels are <ranked>."],
        HealingBytes = 50_000,
        Steps = [new(1, "attn:2", 0.01, 500_000, 12, 3), new(2, "ffn:4/slice0", 0.03, 250_000, 9, 2)],
        Sensitivity = [new("attn:2", 0.01, 1), new("ffn:4", 0.2, 0.25)],
        Examples = [new("#include <stdio.h>", "int main()", "<script>alert(1)</script>")],
        Gate = new GateReport(false, [new("mean_kl", new Estimate(0.3, 0.2, 0.4), 0.25, false)], 8, 500, 0),
        CalibrationKl = new Estimate(0.21, 0.15, 0.27),
        CalibrationTokens = 777,
        Full = new ModelFigures(98_000_000, 12, 23_040, 300, 100, "a"),
        Lean = new ModelFigures(97_250_000, 11, 900, null, 110, "b"),
    };

    [Fact]
    public void Every_figure_is_on_the_page_and_what_models_wrote_is_text()
    {
        var page = ReportPage.Write(Result);
        foreach (var expected in (string[])["job-7", "refused", "attn:2 linear", "ffn:4/slice0", "mean kl", "0.2 to 0.4", "broken", "ffn:4/slice0: removed", "attn:2/kv1: removed", "ffn:4/slice1: kept", "0.05 MB", "<td>23,040</td>", "<td>0.375</td><td>0.05</td>", "0.81 (0.7 to 0.9) nats", "healed 0.3.", "On the 777 tokens", "0.21 (0.15 to 0.27)", "gap to held-out traffic, 0.09", "FFN channels are &lt;ranked&gt;.", "&lt;script&gt;alert(1)&lt;/script&gt;"])
        {
            Assert.Contains(expected, page, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_asks_nobody_for_anything()
    {
        var page = ReportPage.Write(Result);
        foreach (var outside in (string[])["http:", "https:", "src=", "href=", "@import", "url("]) Assert.DoesNotContain(outside, page, StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_are_well_formed_and_have_a_cell_for_every_sublayer()
    {
        var blocks = XElement.Parse("<d>" + ReportPictures.Blocks(Result) + "</d>");
        Assert.Equal(12, blocks.Descendants("g").Count());
        Assert.Single(blocks.Descendants("circle"));
        Assert.Equal(6 * (3 + 4), blocks.Descendants("rect").Count());
        string Fill(string title) => blocks.Descendants("rect").Single(cell => cell.Value == title).Attribute("fill")!.Value;
        Assert.Equal("var(--gone)", Fill("ffn:4/slice0: removed"));

        // Asked alone and least; a quarter of what the whole sublayer costs, and that is the most; never asked.
        Assert.Equal("color-mix(in srgb,#d1495b 0%,#2e7fb8)", Fill("ffn:5/slice0: kept"));
        Assert.Equal("color-mix(in srgb,#d1495b 100%,#2e7fb8)", Fill("ffn:4/slice3: kept"));
        Assert.Equal("var(--kept)", Fill("attn:0/kv0: kept"));
        var curve = XElement.Parse("<d>" + ReportPictures.Curve(Result) + "</d>");
        Assert.Equal(3, curve.Descendants("circle").Count());
    }

    [Fact]
    public void A_result_without_figures_is_a_page_too() => Assert.Contains("No step was made", ReportPage.Write(new PruneResult { JobId = "j", Outcome = PruneOutcome.Failed }), StringComparison.Ordinal);
}
