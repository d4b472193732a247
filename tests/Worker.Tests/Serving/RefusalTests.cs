using System.Net;

namespace FinerCut.Tests.Serving;

/// <summary>Bodies that cannot be taken: always OpenAI's envelope with the path, never a 500, and the worker goes on.</summary>
[Collection<ServedCollection>]
public class RefusalTests(SharedWorkers workers)
{
    private const string Hi = "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"max_tokens\":1";

    [Theory]
    [InlineData("", "invalid_json", null)]
    [InlineData("{", "invalid_json", null)]
    [InlineData("[]", "invalid_type", "")]
    [InlineData("{}", "missing_required_parameter", "messages")]
    [InlineData("{\"messages\":[]}", "missing_required_parameter", "messages")]
    [InlineData("{\"messages\":\"hi\"}", "invalid_type", "messages")]
    [InlineData("{\"messages\":[1]}", "invalid_type", "messages[0]")]
    [InlineData("{\"messages\":[{\"content\":\"x\"}]}", "missing_required_parameter", "messages[0].role")]
    [InlineData("{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", "invalid_value", "messages[0].role")]
    [InlineData("{\"messages\":[{\"role\":\"user\"}]}", "missing_required_parameter", "messages[0].content")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":7}]}", "invalid_type", "messages[0].content")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "invalid_value", "messages[0].content[0].type")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"colour\":1}]}", "unknown_parameter", "messages[0].colour")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", "invalid_value", "messages[0].content")]
    [InlineData("{HI,\"messages\":[]}", "invalid_json", null)]
    [InlineData("{HI,\"temperature\":-1}", "invalid_value", "temperature")]
    [InlineData("{HI,\"temperature\":\"hot\"}", "invalid_type", "temperature")]
    [InlineData("{HI,\"temperature\":1e400}", "invalid_value", "temperature")]
    [InlineData("{HI,\"top_p\":1.5}", "invalid_value", "top_p")]
    [InlineData("{HI,\"top_k\":-2}", "invalid_value", "top_k")]
    [InlineData("{HI,\"min_p\":2}", "invalid_value", "min_p")]
    [InlineData("{HI,\"n\":0}", "invalid_value", "n")]
    [InlineData("{HI,\"n\":100000}", "invalid_value", "n")]
    [InlineData("{HI,\"max_tokens\":5}", "invalid_json", null)]
    [InlineData("{HI,\"max_completion_tokens\":99999999999}", "invalid_value", "max_completion_tokens")]
    [InlineData("{HI,\"n_predict\":-5}", "invalid_value", "n_predict")]
    [InlineData("{HI,\"max_completion_tokens\":1.5}", "invalid_value", "max_completion_tokens")]
    [InlineData("{HI,\"stop\":[\"a\",\"\"]}", "invalid_value", "stop[1]")]
    [InlineData("{HI,\"stop\":{}}", "invalid_type", "stop")]
    [InlineData("{HI,\"seed\":1.5}", "invalid_value", "seed")]
    [InlineData("{HI,\"presence_penalty\":3}", "invalid_value", "presence_penalty")]
    [InlineData("{HI,\"logit_bias\":{\"999999999\":1}}", "invalid_value", "logit_bias.999999999")]
    [InlineData("{HI,\"logit_bias\":{\"1\":1000}}", "invalid_value", "logit_bias.1")]
    [InlineData("{HI,\"logit_bias\":[[1]]}", "invalid_type", "logit_bias[0]")]
    [InlineData("{HI,\"top_logprobs\":3}", "invalid_value", "top_logprobs")]
    [InlineData("{HI,\"logprobs\":true,\"top_logprobs\":21}", "invalid_value", "top_logprobs")]
    [InlineData("{HI,\"stream\":\"yes\"}", "invalid_type", "stream")]
    [InlineData("{HI,\"stream_options\":{\"include_usage\":true}}", "invalid_value", "stream_options")]
    [InlineData("{HI,\"stream\":true,\"stream_options\":{\"x\":1}}", "unknown_parameter", "stream_options.x")]
    [InlineData("{HI,\"tools\":[{\"type\":\"function\"}]}", "missing_required_parameter", "tools[0].function")]
    [InlineData("{HI,\"mirostat\":3}", "invalid_value", "mirostat")]
    [InlineData("{HI,\"nonsense\":1}", "unknown_parameter", "nonsense")]
    public async Task AChatBodyIsRefusedByPath(string body, string code, string? param)
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/chat/completions", body.Replace("HI", Hi, StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("invalid_request_error", (string?)answer["error"]!["type"]);
        Assert.Equal(code, (string?)answer["error"]!["code"]);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
        Assert.NotEqual("", (string?)answer["error"]!["message"]);
    }

    [Theory]
    [InlineData("{}", "prompt")]
    [InlineData("{\"prompt\":\"\"}", "prompt")]
    [InlineData("{\"prompt\":[]}", "prompt")]
    [InlineData("{\"prompt\":{}}", "prompt")]
    [InlineData("{\"prompt\":[-1]}", "prompt[0]")]
    [InlineData("{\"prompt\":[4294967296]}", "prompt[0]")]
    [InlineData("{\"prompt\":[1,true]}", "prompt[1]")]
    [InlineData("{\"prompt\":[[]]}", "prompt[0]")]
    [InlineData("{\"prompt\":\"a\",\"suffix\":\"b\"}", "suffix")]
    [InlineData("{\"prompt\":\"a\",\"best_of\":2}", "best_of")]
    [InlineData("{\"prompt\":\"a\",\"logprobs\":-1}", "logprobs")]
    public async Task ATextBodyIsRefusedByPath(string body, string param)
    {
        var (response, answer) = await workers.Tiny.PostAsync("/v1/completions", body);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal(param, (string?)answer["error"]!["param"]);
    }

    [Fact]
    public async Task AllFaultsAreNamedAtOnce()
    {
        var (_, answer) = await workers.Tiny.PostAsync("/v1/chat/completions", "{\"messages\":[],\"temperature\":-1,\"top_p\":2,\"zzz\":0}");
        var message = (string)answer["error"]!["message"]!;
        Assert.All((string[])["'messages'", "'temperature'", "'top_p'", "'zzz'"], path => Assert.Contains(path, message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task FieldsWithoutEffectAreTaken()
    {
        var body = $"{{{Hi},\"model\":\"gpt-4o\",\"user\":\"u\",\"metadata\":{{\"a\":\"b\"}},\"store\":false,\"n\":1,\"service_tier\":\"auto\",\"tools\":[],"
            + "\"response_format\":{\"type\":\"text\"},\"tool_choice\":\"none\",\"parallel_tool_calls\":true,\"logit_bias\":{},\"stop\":null,\"seed\":-1,\"top_k\":0,"
            + "\"modalities\":[\"text\"],\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"be kind\"}]},{\"role\":\"user\",\"name\":\"bob\",\"content\":\"hi\"}]}";
        body = body.Replace("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],", "", StringComparison.Ordinal);
        await workers.Tiny.AnswerAsync("/v1/chat/completions", body);
    }

    [Fact]
    public async Task UnknownPathsAndMethodsAreToldSo()
    {
        var missing = await workers.Tiny.Http.GetAsync("/v1/nothing");
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);
        Assert.Contains("not_found_error", await missing.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var method = await workers.Tiny.Http.GetAsync("/v1/completions");
        Assert.Equal(HttpStatusCode.MethodNotAllowed, method.StatusCode);
        Assert.Contains("method_not_allowed", await method.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABodyThatIsTooLargeIsRefused()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--max-body-mb", "1");
        var (response, answer) = await worker.PostAsync("/v1/completions", new { prompt = new string('a', 2 << 20) });
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Equal("request_too_large", (string?)answer["error"]!["code"]);
    }

    [Fact]
    public async Task AFullQueueSaysWhenToComeBack()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--parallel", "1", "--queue", "1");
        using var cancel = new CancellationTokenSource();
        var busy = Enumerable.Range(0, 2).Select(_ => worker.EventsAsync("/v1/completions", new { prompt = "a", ignore_eos = true, stream = true }, cancel.Token)).ToArray();
        await WorkerUnderTest.EventuallyAsync(async () => await worker.MetricAsync("llamacpp:requests_processing") + await worker.MetricAsync("llamacpp:requests_deferred") == 2);
        var (response, answer) = await worker.PostAsync("/v1/completions", new { prompt = "b" });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("queue_full", (string?)answer["error"]!["code"]);
        Assert.NotNull(response.Headers.RetryAfter);
        await cancel.CancelAsync();
        await Task.WhenAll(busy.Select(async task => await task.ContinueWith(_ => { }, TaskScheduler.Default)));
    }
}
