using System.Diagnostics;
using FinerCut.Gateway.Routing;
using FinerCut.Gateway.Telemetry;
using Microsoft.Extensions.Time.Testing;

namespace FinerCut.Tests.Telemetry;

public class GenAiTelemetryTests
{
    [Fact]
    public void An_exchange_is_a_span_under_the_conventions_names()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == GenAiTelemetry.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using var telemetry = new GenAiTelemetry(new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddDays(20_000)));
        using var upstream = new Upstream("u", "tiny", "lean-7", "http://secret-address", "secret-key");
        telemetry.Record(new ExchangeEnd(upstream, 200, null, TimeSpan.FromSeconds(0.25), TimeSpan.FromSeconds(2), false) { Usage = new(3, 9), IsStream = true }, "chat", "Normal");
        telemetry.Record(new ExchangeEnd(upstream, 200, FailureKind.IdleTimeout, null, TimeSpan.FromSeconds(2), false), "chat", "Normal");
        var mine = spans.Where(span => (string?)span.GetTagItem("gen_ai.response.model") == "lean-7").ToList();
        Assert.Equal(2, mine.Count);
        Assert.Equal(("chat tiny", 3L, 9L, 0.25, TimeSpan.FromSeconds(2)),
            (mine[0].DisplayName, mine[0].GetTagItem("gen_ai.usage.input_tokens"), mine[0].GetTagItem("gen_ai.usage.output_tokens"), mine[0].GetTagItem("gen_ai.server.time_to_first_token"), mine[0].Duration));
        Assert.Equal((ActivityStatusCode.Error, "IdleTimeout"), (mine[1].Status, mine[1].GetTagItem("error.type")));
        Assert.DoesNotContain(mine.SelectMany(span => span.TagObjects), tag => tag.Value?.ToString()?.Contains("secret", StringComparison.Ordinal) == true);
    }

    [Theory]
    [InlineData("""{"usage":{"prompt_tokens":3,"completion_tokens":12,"total_tokens":15}}""", 3, 12)]
    [InlineData("""{"usage":{"input_tokens": 4,"output_tokens": 5}}""", 4, 5)]
    [InlineData("""{"usage":null}""", 0, 0)]
    public void Usage_is_found_where_an_answer_states_it(string answer, long input, long output) =>
        Assert.Equal(new AnswerUsage(input, output), AnswerUsage.In(System.Text.Encoding.UTF8.GetBytes(answer)));
}
