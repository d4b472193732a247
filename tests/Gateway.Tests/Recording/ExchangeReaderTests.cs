using System.Text;
using FinerCut.Gateway.Recording;

namespace FinerCut.Tests.Recording;

public class ExchangeReaderTests
{
    private const string Ask = """{"model":"m","messages":[{"role":"user","content":"hi"}]}""";
    private const string AskStream = """{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Whole = """{"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}""";

    private const string Stream = """
        data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}

        data: {"choices":[{"index":0,"delta":{"content":"hel"},"finish_reason":null}]}

        : a comment

        data: {"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}

        data: {"choices":[],"usage":{"total_tokens":3}}

        data: [DONE]


        """;

    [Fact]
    public void A_streamed_and_a_whole_answer_read_alike()
    {
        Assert.Equal("hello", Read(Ask, Whole)!.Answer);
        Assert.Equal("hello", Read(AskStream, Stream)!.Answer);
        Assert.Equal("hello", Read(AskStream, Stream.ReplaceLineEndings("\r\n"))!.Answer);
        Assert.Equal(Read(Ask, Whole)!.PromptHash, Read(AskStream, Stream)!.PromptHash);
    }

    [Fact]
    public void A_plain_completion_is_read_too()
    {
        var read = Read("""{"prompt":"once"}""", """{"choices":[{"text":" upon","finish_reason":"length"}]}""", isChat: false)!;
        Assert.Equal(("once", " upon"), (read.Prompt, read.Answer));
    }

    [Theory]
    [InlineData(Ask, """{"error":{"message":"no"}}""")]
    [InlineData(Ask, """{"choices":[{"message":{"content":"x"},"finish_reason":null}]}""")]
    [InlineData(Ask, """{"choices":[{"message":{"content":null,"tool_calls":[]},"finish_reason":"tool_calls"}]}""")]
    [InlineData(Ask, "not json")]
    [InlineData("""{"messages":[],"model":"m"}""", Whole)]
    [InlineData("""{"n":2,"messages":[{"role":"user","content":"hi"}]}""", Whole)]
    [InlineData(AskStream, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n")]
    [InlineData(AskStream, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"error\":{\"code\":\"worker_died\"}}\n\n")]
    public void What_is_not_one_whole_answer_is_not_read(string request, string answer) => Assert.Null(Read(request, answer));

    private static Conversation? Read(string request, string answer, bool isChat = true) =>
        ExchangeReader.Read(Encoding.UTF8.GetBytes(request), Encoding.UTF8.GetBytes(answer), isChat);
}
