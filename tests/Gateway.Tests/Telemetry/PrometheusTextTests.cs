using System.Diagnostics.Metrics;
using FinerCut.Gateway.Telemetry;

namespace FinerCut.Tests.Telemetry;

public class PrometheusTextTests
{
    [Fact]
    public void Counters_gauges_and_histograms_are_written()
    {
        using var text = new PrometheusText();
        using var meter = new Meter("FinerCut.Test." + nameof(Counters_gauges_and_histograms_are_written));
        var counter = meter.CreateCounter<long>("test.things", description: "Things.");
        counter.Add(2, new KeyValuePair<string, object?>("model", "m"), new("status", 200));
        counter.Add(3, new KeyValuePair<string, object?>("model", "m"), new("status", 200));
        counter.Add(1, new KeyValuePair<string, object?>("model", "a\"b\\c"));
        var gauge = meter.CreateUpDownCounter<long>("test_now");
        gauge.Add(5);
        gauge.Add(-2);
        var histogram = meter.CreateHistogram<double>("test_seconds");
        histogram.Record(0.007);
        histogram.Record(400);
        var level = 7;
        meter.CreateObservableGauge("test_level", () => level);
        text.Write();
        level = 9;
        var written = text.Write();
        Assert.Matches("dotnet_gc_last_collection_heap_size\\{.*\\} [0-9]", written);
        Assert.Matches("dotnet_process_memory_working_set [1-9]", written);
        foreach (var line in (string[])
        [
            "# HELP test_things_total Things.", "# TYPE test_things_total counter", "test_things_total{model=\"m\",status=\"200\"} 5", "test_things_total{model=\"a\\\"b\\\\c\"} 1",
            "test_now 3", "test_level 9", "test_seconds_bucket{le=\"0.005\"} 0", "test_seconds_bucket{le=\"0.01\"} 1", "test_seconds_bucket{le=\"300\"} 1", "test_seconds_bucket{le=\"+Inf\"} 2", "test_seconds_count{} 2",
        ])
        {
            Assert.Contains(line + "\n", written, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Label_values_cannot_fill_the_memory()
    {
        using var text = new PrometheusText();
        using var meter = new Meter("FinerCut.Test." + nameof(Label_values_cannot_fill_the_memory));
        var counter = meter.CreateCounter<long>("test_many");
        for (var i = 0; i < 5000; i++) counter.Add(1, new KeyValuePair<string, object?>("x", i), new("y", new string('y', 1000)));
        Assert.InRange(text.Write().Split('\n').Count(line => line.StartsWith("test_many_total{", StringComparison.Ordinal)), 1, 2000);
    }
}
