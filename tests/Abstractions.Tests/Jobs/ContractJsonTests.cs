using System.Text.Json;
using FinerCut.Jobs;

namespace FinerCut.Tests.Jobs;

public class ContractJsonTests
{
    private static readonly PruneRequest Request = new()
    {
        JobId = "j1", ModelPath = "/m.gguf", OutputPath = "/o.gguf", WorkFolder = "/w", CalibrationPath = "/c", HeldOutPath = "/h", Budget = new PruneBudget(Sublayers: 4),
    };

    [Fact]
    public void A_request_is_snake_case_and_comes_back()
    {
        var json = JsonSerializer.Serialize(Request with { Search = SearchKind.LazyGreedy, Keep = ["attn:0"] }, ContractJson.Default.PruneRequest);
        Assert.Contains("\"job_id\":\"j1\"", json, StringComparison.Ordinal);
        Assert.Contains("\"search\":\"lazy_greedy\"", json, StringComparison.Ordinal);
        Assert.Contains("\"distance\":\"jensen_shannon\"", json, StringComparison.Ordinal);
        var back = JsonSerializer.Deserialize(json, ContractJson.Default.PruneRequest)!;
        Assert.Equal(4, back.Budget.Sublayers);
        Assert.Null(back.Budget.Fraction);
        Assert.Equal(["attn:0"], back.Keep);
        Assert.Equal(Request.Gate, back.Gate);
    }

    [Theory]
    [InlineData("""{"job_id":"j","model_path":"m","output_path":"o","work_folder":"w","calibration_path":"c","held_out_path":"h","budget":{},"surprise":1}""")]
    [InlineData("""{"job_id":"j"}""")]
    [InlineData("""{"job_id":"j","model_path":"m","output_path":"o","work_folder":"w","calibration_path":"c","held_out_path":"h","budget":{},"search":1}""")]
    public void Unknown_missing_or_mistyped_members_are_refused(string json) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(json, ContractJson.Default.PruneRequest));

    [Fact]
    public void A_line_holds_exactly_one_thing()
    {
        var line = JsonSerializer.Serialize(new PruneLine(Progress: new PruneProgress(PrunePhase.Search, 1, 4, "ffn:3", 0.01, 1234, 60, 2.5, null)), ContractJson.Default.PruneLine);
        Assert.StartsWith("""{"progress":{"phase":"search","step":1""", line, StringComparison.Ordinal);
        Assert.DoesNotContain("result", line, StringComparison.Ordinal);
        Assert.DoesNotContain("eta", line, StringComparison.Ordinal);
    }
}
