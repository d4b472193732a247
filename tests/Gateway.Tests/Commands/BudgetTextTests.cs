using FinerCut.Gateway.Commands;

namespace FinerCut.Gateway.Tests.Commands;

public class BudgetTextTests
{
    [Theory]
    [InlineData("fraction:5%", """{"fraction":0.05}""")]
    [InlineData("fraction:0.2", """{"fraction":0.2}""")]
    [InlineData("bytes:20%", """{"fraction":0.2}""")]
    [InlineData("bytes:20MB", """{"bytes":20000000}""")]
    [InlineData("bytes:1.5 MiB", """{"bytes":1572864}""")]
    [InlineData("bytes:512", """{"bytes":512}""")]
    [InlineData("sublayers:6", """{"sublayers":6}""")]
    [InlineData("kv:25%", """{"kv_fraction":0.25}""")]
    [InlineData("kv:1536", """{"kv_bytes":1536}""")]
    [InlineData("decode:10%,context:2048", """{"decode_fraction":0.1,"decode_context":2048}""")]
    [InlineData("decode:0.5ms", """{"decode_ms":0.5}""")]
    [InlineData("leanest", """{"leanest":true}""")]
    [InlineData("leanest,bytes:20%,kv:10%", """{"fraction":0.2,"kv_fraction":0.1,"leanest":true}""")]
    public void A_budget_is_read_as_it_is_typed(string text, string order) => Assert.Equal(order, BudgetText.Parse(text)?.ToJsonString());

    [Theory]
    [InlineData("5%")]
    [InlineData("fraction:0")]
    [InlineData("fraction:100%")]
    [InlineData("fraction:-5%")]
    [InlineData("bytes:0MB")]
    [InlineData("bytes:MB")]
    [InlineData("bytes:1e9")]
    [InlineData("bytes:NaN")]
    [InlineData("sublayers:1.5")]
    [InlineData("sublayers:0")]
    [InlineData("blocks:3")]
    [InlineData("fraction:5%:1")]
    [InlineData("fraction:5%,bytes:20MB")]
    [InlineData("kv:0%")]
    [InlineData("kv:101%")]
    [InlineData("decode:0.5")]
    [InlineData("context:512")]
    [InlineData("leanest:1")]
    [InlineData("leanest,")]
    [InlineData("")]
    public void What_is_no_budget_is_none(string text) => Assert.Null(BudgetText.Parse(text));
}
