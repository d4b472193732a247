using System.Text;
using CsCheck;
using FinerCut.Gateway.Routing;

namespace FinerCut.Tests.Routing;

public class RequestHeadTests
{
    [Theory]
    [InlineData("""{"model":"m","stream":true}""", "m", true)]
    [InlineData("""{"messages":[{"model":"inner"}],"model":"m"}""", "m", false)]
    [InlineData("""{"mod\u0065l":"m"}""", "m", false)]
    [InlineData(""" {"stream":"true","model":null} """, null, false)]
    [InlineData("{}", null, false)]
    public void The_top_level_model_counts(string json, string? model, bool stream)
    {
        var (head, error) = Parse(json);
        Assert.Null(error);
        Assert.Equal(new RequestHead(model, stream), head);
    }

    [Theory]
    [InlineData("", "invalid_json")]
    [InlineData("[]", "invalid_json")]
    [InlineData("\"m\"", "invalid_json")]
    [InlineData("{\"model\":\"m\"", "invalid_json")]
    [InlineData("{\"model\":\"m\"} {}", "invalid_json")]
    [InlineData("{\"model\":\"m\",}", "invalid_json")]
    [InlineData("{\"model\":1}", "invalid_model")]
    [InlineData("{\"model\":\"a\",\"model\":\"b\"}", "invalid_model")]
    [InlineData("{\"model\":\"\\ud800\"}", "invalid_json")]
    public void What_is_wrong_is_said(string json, string code)
    {
        var (head, error) = Parse(json);
        Assert.Null(head);
        Assert.Equal((400, code), (error!.Status, error.Code));
    }

    [Fact]
    public void Errors_do_not_quote_the_body() => Assert.DoesNotContain("secret", Parse("{\"messages\": secret}").Error!.Message, StringComparison.Ordinal);

    [Fact]
    public void No_bytes_make_it_throw() => Gen.Byte.Array[0, 64].Sample(bytes =>
    {
        var (head, error) = RequestHead.Parse(bytes);
        Assert.True(head is null != error is null);
    });

    private static (RequestHead? Head, FinerCut.Gateway.OpenAi.ApiError? Error) Parse(string json) => RequestHead.Parse(Encoding.UTF8.GetBytes(json));
}
