using System.Text;
using CsCheck;
using FinerCut.Gateway.Access.Metering;

namespace FinerCut.Tests.Access;

public class MeteringTests
{
    private const string Usage = "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18,\"prompt_tokens_details\":{\"cached_tokens\":3}}";

    private static readonly byte[] Marks = [.. "{}[]\",:\\\n usage"u8];

    public static TheoryData<bool, string, long> Answers() => new()
    {
        { false, "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"x\"}}]," + Usage + "}", 18 },
        { false, "{ " + Usage + " , \"choices\":[]}", 18 },
        { false, """{"object":"list","data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":5,"total_tokens":5}}""", 5 },
        { false, """{"type":"message","content":[],"usage":{"input_tokens":4,"cache_read_input_tokens":10,"output_tokens":6}}""", 20 },
        { false, """{"object":"response","output":[],"usage":{"input_tokens":4,"output_tokens":6,"total_tokens":10}}""", 10 },
        { false, """{"choices":[],"usage":null,"timings":{"prompt_n":2,"cache_n":3,"predicted_n":4}}""", 9 },

        // A model may write what it likes: only members of the answer itself count.
        { false, """{"choices":[{"message":{"content":"\"usage\":{\"completion_tokens\":999}"},"usage":{"completion_tokens":999}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}""", 2 },
        { false, """{"message":["usage",{"completion_tokens":999}],"usage":{"prompt_tokens":1,"completion_tokens":1}}""", 2 },
        { false, """{"choices":[]}""", 100 },
        { false, """{"usage":{"prompt_tokens":-1,"completion_tokens":"7"}}""", 100 },
        { false, "no JSON at all }}}}]]]", 100 },
        { true, $"data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {{\"choices\":[],{Usage}}}\n\ndata: [DONE]\n\n", 18 },
        { true, $"data:{{\"choices\":[],{Usage}}}\r\n\r\ndata:[DONE]\r\n\r\n", 18 },
        { true, ": comment\n\nevent: x\ndata: {\"choices\":[{}]}\n\ndata: {\"choices\":[{}]}\n\ndata: [DONE]\n\n", 102 },
        { true, "data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\ndata: {\"timings\":{\"prompt_n\":5,\"predicted_n\":2}}\n\n", 7 },
        { true, "data: {\"timings\":{\"prompt_n\":5,\"predicted_n\":1}}\n\ndata: {\"timings\":{\"prompt_n\":5,\"predicted_n\":2}}\n\ndata: {\"timings\":{\"prompt_n\":5,\"predicted_n\":30}}\n\ndata: [DONE]\n\n", 35 },
        { true, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":30}}\n\n", 39 },
        { true, "data: {\"type\":\"response.completed\",\"response\":{\"output\":[],\"usage\":{\"input_tokens\":2,\"output_tokens\":3,\"total_tokens\":5}}}\n\n", 5 },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void Usage_is_found_in_pieces_of_any_size(bool events, string answer, long total)
    {
        var bytes = Encoding.UTF8.GetBytes(answer);
        foreach (var size in new[] { 1, 2, 3, 7, bytes.Length })
        {
            var scanner = new UsageScanner(events);
            foreach (var piece in bytes.Chunk(size)) scanner.Append(piece);
            Assert.Equal(total, scanner.Total(promptEstimate: 100));
        }
    }

    [Fact]
    public void The_end_is_known_from_the_mark_and_not_from_what_a_model_wrote()
    {
        var scanner = new UsageScanner(isEventStream: true);
        scanner.Append("data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}\n\n"u8);
        Assert.False(scanner.IsDone);
        scanner.Append("data: [DONE]\n"u8);
        Assert.True(scanner.IsDone);
        Assert.Equal(1, scanner.Events);
    }

    [Fact]
    public void Any_bytes_are_borne() => Gen.Select(Gen.Bool, Gen.OneOf(Gen.Byte, Gen.Int[0, Marks.Length - 1].Select(i => Marks[i])).Array[0, 300]).Sample((events, bytes) =>
    {
        var scanner = new UsageScanner(events);
        scanner.Append(bytes);
        Assert.True(scanner.Total(0) >= 0);
    }, iter: 3000);

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hello there"}],"max_tokens":20}""", true, 20)]
    [InlineData("""{"prompt":"x","max_tokens":20,"n":3}""", true, 60)]
    [InlineData("""{"prompt":"x","max_completion_tokens":5}""", true, 5)]
    [InlineData("""{"input":"x","max_output_tokens":6}""", true, 6)]
    [InlineData("""{"prompt":"x"}""", true, 50)]
    [InlineData("""{"prompt":"x","max_tokens":-1}""", true, 50)]
    [InlineData("""{"prompt":"x","max_tokens":"many"}""", true, 50)]
    [InlineData("""{"prompt":"x","metadata":{"max_tokens":9000}}""", true, 50)]
    [InlineData("""{"input":["a","b"]}""", false, 0)]
    public void Completions_are_bounded_by_what_the_request_says(string body, bool completes, long completion) =>
        Assert.Equal(completion, TokenEstimate.Of(Encoding.UTF8.GetBytes(body), completes, defaultMaxTokens: 50).Completion);

    [Fact]
    public void A_prompt_is_estimated_high_and_media_by_piece()
    {
        var text = new string('a', 3000);
        Assert.InRange(Prompt($$"""{"prompt":"{{text}}"}"""), 1000, 1010);
        Assert.InRange(Prompt($$$"""{"messages":[{"content":[{"image_url":{"url":"data:image/png;base64,{{{text}}}{{{text}}}{{{text}}}"}}]}]}"""), 1024, 1030);
        Assert.Equal(4, Prompt("""{"prompt":[1,2,3,4],"seed":7}"""));
        Assert.Equal(1, TokenEstimate.Of("""{"max_tokens":1,"n":1}"""u8, true, 1).Total);
        Assert.Equal(1024L * int.MaxValue, TokenEstimate.Of("""{"max_tokens":9223372036854775807,"n":9223372036854775807}"""u8, true, 1).Total);
    }

    private static long Prompt(string body) => TokenEstimate.Of(Encoding.UTF8.GetBytes(body), true, 1).Prompt;
}
