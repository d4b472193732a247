using System.Text.Json;
using FinerCut.Jobs;

namespace FinerCut.Tests.Jobs;

public class ContractJsonTests
{
    private static readonly PruneRequest Request = new()
    {
        JobId = "j1", ModelPath = "/m.gguf", OutputPath = "/o.gguf", WorkFolder = "/w", CalibrationPath = "/c", HeldOutPath = "/h", Budget = new PruneBudget(Sublayers: 4),
    };

    /// <summary>The surgeon by what the gate judges, all others by the paper's measure.</summary>
    [Theory]
    [InlineData(SearchKind.Auto, null, DistanceKind.KullbackLeibler)]
    [InlineData(SearchKind.Surgeon, null, DistanceKind.KullbackLeibler)]
    [InlineData(SearchKind.Paper, null, DistanceKind.JensenShannon)]
    [InlineData(SearchKind.RacingGreedy, null, DistanceKind.JensenShannon)]
    [InlineData(SearchKind.Auto, DistanceKind.Angular, DistanceKind.Angular)]
    public void Where_no_distance_is_asked_for_the_search_decides(SearchKind search, DistanceKind? asked, DistanceKind measured) =>
        Assert.Equal(measured, (Request with { Search = search, Distance = asked }).Measure);

    [Fact]
    public void A_request_is_snake_case_and_comes_back()
    {
        var json = JsonSerializer.Serialize(Request with { Search = SearchKind.LazyGreedy, Distance = DistanceKind.JensenShannon, Keep = ["attn:0"], Grains = [PruneGrain.KvGroup, PruneGrain.FfnSlice] }, ContractJson.Default.PruneRequest);
        Assert.Contains("\"job_id\":\"j1\"", json, StringComparison.Ordinal);
        Assert.Contains("\"search\":\"lazy_greedy\"", json, StringComparison.Ordinal);
        Assert.Contains("\"grains\":[\"kv_group\",\"ffn_slice\"]", json, StringComparison.Ordinal);
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
    public void Members_left_out_are_the_contracts_defaults()
    {
        const string Least = """{"job_id":"j","model_path":"m","output_path":"o","work_folder":"w","calibration_path":"c","held_out_path":"h","budget":{"fraction":0.1},"gate":{"max_mean_kl":1}}""";
        var request = JsonSerializer.Deserialize(Least, ContractJson.Default.PruneRequest)!;
        Assert.Equal(2560, request.MaxCalibrationTokens);
        Assert.Equal(5120, (request with { Search = SearchKind.Local }).MaxCalibrationTokens);
        Assert.Equal(900, (request with { Search = SearchKind.Local, MaxCalibrationTokens = 900 }).MaxCalibrationTokens);
        Assert.Contains(PruneRequestCheck.Check(request with { MaxCalibrationTokens = -1 }), defect => defect.Path == "max_calibration_tokens");
        Assert.Equal(SearchKind.Auto, request.Search);
        Assert.Equal(new GateThresholds { MaxMeanKl = 1 }, request.Gate);
        Assert.Empty(request.Keep);
        Assert.Empty(request.Grains);
        Assert.Equal(0, request.SlicesPerFfn);
        Assert.Empty(PruneRequestCheck.Check(request));
        var conversation = JsonSerializer.Deserialize("""{"id":"c","prompt":"x"}""", ContractJson.Default.RecordedConversation)!;
        Assert.Equal("", conversation.Answer);
        Assert.Empty(JsonSerializer.Deserialize("""{"job_id":"j","outcome":"failed"}""", ContractJson.Default.PruneResult)!.Steps);
    }

    [Fact]
    public void A_requests_defects_come_all_at_once_with_path_value_and_what_is_allowed()
    {
        var request = Request with
        {
            JobId = "", OutputPath = Request.ModelPath, Budget = new PruneBudget(Sublayers: 0, Fraction: 1.5, Bytes: 5), Gate = new GateThresholds { Confidence = 1 }, Keep = ["attn"],
            MaxSequenceTokens = 1, MinTokens = 5000, WarmUp = true, SlicesPerFfn = -1,
        };
        var defects = PruneRequestCheck.Check(request);
        string[] paths = ["budget", "budget.fraction", "budget.sublayers", "gate.confidence", "job_id", "keep", "max_calibration_tokens", "max_held_out_tokens", "max_sequence_tokens", "output_path", "slices_per_ffn", "warm_up"];
        Assert.Equal(paths, defects.Select(defect => defect.Path).Order(StringComparer.Ordinal));
        Assert.Contains("budget.fraction: 1.5 is not allowed; expected above 0 and below 1.", defects.Select(defect => defect.ToString()));
        Assert.Empty(PruneRequestCheck.Check(Request));
        Assert.Equal("budget", Assert.Single(PruneRequestCheck.Check(Request with { Budget = new PruneBudget { DecodeContext = 512 } })).Path);
    }

    [Fact]
    public void Budgets_of_every_measure_come_back()
    {
        var asked = Request with
        {
            Budget = new PruneBudget(Fraction: 0.1) { KvFraction = 0.5, DecodeMs = 0.25, DecodeContext = 2048, Leanest = true }, Only = FinerCut.Masks.SublayerKind.Attention, TopUp = true,
            Distance = DistanceKind.TopKKullbackLeibler, DistanceTokens = DistanceTokens.Answers, MemoryBytes = 1L << 30,
        };
        Assert.Empty(PruneRequestCheck.Check(asked));
        var json = JsonSerializer.Serialize(asked, ContractJson.Default.PruneRequest);
        Assert.Contains("\"only\":\"attention\"", json, StringComparison.Ordinal);
        Assert.Contains("\"distance\":\"top_k_kullback_leibler\"", json, StringComparison.Ordinal);
        var back = JsonSerializer.Deserialize(json, ContractJson.Default.PruneRequest)!;
        Assert.Equal(asked.Budget, back.Budget);
        Assert.Equal((asked.Only, asked.DistanceTokens, asked.MemoryBytes, asked.TopUp), (back.Only, back.DistanceTokens, back.MemoryBytes, back.TopUp));
    }

    [Fact]
    public void A_line_holds_exactly_one_thing()
    {
        var line = JsonSerializer.Serialize(new PruneLine(Progress: new PruneProgress(PrunePhase.Search, 1, 4, "ffn:3", 0.01, 1234, 60, 2.5, null)), ContractJson.Default.PruneLine);
        Assert.StartsWith("""{"progress":{"phase":"search","step":1""", line, StringComparison.Ordinal);
        Assert.DoesNotContain("result", line, StringComparison.Ordinal);
        Assert.DoesNotContain("eta", line, StringComparison.Ordinal);
    }
}
