using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using FinerCut.Jobs;

namespace FinerCut.Tests.Serving;

public class LifetimeTests
{
    [Fact]
    public async Task TheSocketListensBeforeTheModelIsLoaded()
    {
        await using var worker = await WorkerUnderTest.ListenAsync(WorkerUnderTest.RealModel);
        var first = await worker.Http.GetAsync("/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, first.StatusCode);
        Assert.Equal(
            """{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}""", await first.Content.ReadAsStringAsync());
        var (early, error) = await worker.PostAsync("/v1/chat/completions", new { messages = new[] { new { role = "user", content = "hi" } } });
        if (early.StatusCode != HttpStatusCode.OK)
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, early.StatusCode);
            Assert.Equal("loading_model", (string?)error["error"]!["code"]);
            Assert.NotNull(early.Headers.RetryAfter);
        }

        await WorkerUnderTest.EventuallyAsync(async () => await worker.Http.GetAsync("/health") is { IsSuccessStatusCode: true } ready
            && await ready.Content.ReadAsStringAsync() == """{"status":"ok"}""");
    }

    [Fact]
    public async Task SigtermLetsRequestsFinishThenExitsWithZero()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(WorkerUnderTest.RealModel, "--ctx-size", "1024");
        var answer = worker.EventsAsync("/v1/completions", new { prompt = "Once upon a time", max_tokens = 60, ignore_eos = true, stream = true });
        await WorkerUnderTest.EventuallyAsync(async () => await worker.MetricAsync("llamacpp:requests_processing") == 1);
        worker.Signal("TERM");
        await WorkerUnderTest.EventuallyAsync(async () => !(await worker.Http.GetAsync("/health")).IsSuccessStatusCode);
        var (refused, body) = await worker.PostAsync("/v1/completions", new { prompt = "x" });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Equal("shutting_down", (string?)body["error"]!["code"]);
        Assert.Equal("length", (string?)(await answer)[^1]["choices"]![0]!["finish_reason"]);
        Assert.Equal(ExitCode.Success, await worker.ExitAsync());
    }

    [Fact]
    public async Task WhatIsNotDoneByTheDeadlineEndsWithATypedError()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(WorkerUnderTest.RealModel, "--ctx-size", "8192", "--drain-seconds", "0");
        var answer = worker.EventsAsync("/v1/completions", new { prompt = "Once upon a time", ignore_eos = true, stream = true });
        await WorkerUnderTest.EventuallyAsync(async () => await worker.MetricAsync("llamacpp:n_decode_total") > 5);
        worker.Signal("TERM");
        var last = (await answer)[^1];
        Assert.Equal("shutting_down", (string?)last["error"]!["code"]);
        Assert.Equal(ExitCode.Success, await worker.ExitAsync());
    }

    [Fact]
    public async Task ASupervisedWorkerGoesWithItsSupervisor()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--supervised");
        var group = File.ReadAllText($"/proc/{worker.ProcessId}/stat").Split(' ')[4];
        Assert.Equal(worker.ProcessId.ToString(), group);
        worker.Input.Close();
        await worker.ExitAsync();
    }

    [Fact]
    public async Task AnUnsupervisedWorkerDoesNotCareAboutItsInput()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath);
        worker.Input.Close();
        await worker.AnswerAsync("/v1/completions", new { prompt = "a", max_tokens = 1 });
        Assert.False(worker.HasExited);
    }

    [Fact]
    public async Task ATakenPortIsNamed()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var worker = WorkerUnderTest.Launch("serve", "--model", SharedWorkers.TinyPath, "--port", port.ToString());
        Assert.Equal(ExitCode.AddressInUse, await worker.ExitAsync());
        Assert.Contains($"127.0.0.1:{port} is in use", worker.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing", "does not exist")]
    [InlineData("empty", "NotGguf")]
    [InlineData("text", "NotGguf")]
    [InlineData("truncated-header", "Truncated")]
    [InlineData("truncated-data", "TensorPastEnd")]
    [InlineData("unsupported", "unsupported")]
    public async Task ABadFileEndsInOneLineThatSaysWhy(string kind, string reason)
    {
        var folder = Directory.CreateTempSubdirectory("finercut-bad-");
        var path = Path.Combine(folder.FullName, $"{kind}.gguf");
        var good = File.ReadAllBytes(SharedWorkers.TinyPath);
        if (kind == "empty") File.WriteAllBytes(path, []);
        else if (kind == "text") File.WriteAllText(path, "this is no model at all, but long enough to be read as a header");
        else if (kind == "truncated-header") File.WriteAllBytes(path, good[..200]);
        else if (kind == "truncated-data") File.WriteAllBytes(path, good[..^1000]);
        else if (kind == "unsupported")
            File.WriteAllBytes(path, [.. good.AsSpan().IndexOf("llama"u8) is var at ? good[..at] : [], .. "xyzzy"u8, .. good[(at + 5)..]]);

        await using var worker = WorkerUnderTest.Launch("serve", "--model", path, "--port", "0");
        Assert.Equal(ExitCode.BadInput, await worker.ExitAsync());
        var line = Assert.Single(worker.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), text => text.StartsWith("error:", StringComparison.Ordinal));
        Assert.Contains(reason, line, StringComparison.OrdinalIgnoreCase);
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("--port", "70000")]
    [InlineData("--parallel", "0")]
    [InlineData("--ctx-size", "-5")]
    [InlineData("--cache-type-k", "q2_k")]
    [InlineData("--split-mode", "tensor")]
    [InlineData("--main-gpu", "-1")]
    [InlineData("--host", "not an address")]
    [InlineData("--chat-template-file", "/nowhere")]
    [InlineData("--no-such-option", "1")]
    public async Task ABadOptionIsRefusedBeforeAnythingBegins(string option, string value)
    {
        await using var worker = WorkerUnderTest.Launch("serve", "--model", SharedWorkers.TinyPath, option, value);
        Assert.Equal(ExitCode.BadInput, await worker.ExitAsync());
        Assert.Contains(option, worker.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AKeyIsAskedForEverywhereButInHealth()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath, "--api-key", "sesame,other");
        foreach (var path in (string[])["/v1/models", "/props", "/metrics"])
            Assert.Equal(HttpStatusCode.Unauthorized, (await worker.Http.GetAsync(path)).StatusCode);
        var (refused, body) = await worker.PostAsync("/v1/completions", new { prompt = "a" });
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("authentication_error", (string?)body["error"]!["type"]);
        worker.Http.DefaultRequestHeaders.Add("X-Api-Key", "other");
        await worker.AnswerAsync("/v1/completions", new { prompt = "a", max_tokens = 1 });
        worker.Http.DefaultRequestHeaders.Clear();
        worker.Http.DefaultRequestHeaders.Authorization = new("Bearer", "sesame");
        await worker.AnswerAsync("/v1/completions", new { prompt = "a", max_tokens = 1 });
    }

    [Fact]
    public async Task PromptsNeverReachTheLog()
    {
        await using var worker = await WorkerUnderTest.ReadyAsync(SharedWorkers.TinyPath);
        await worker.AnswerAsync("/v1/completions", new { prompt = "xyzzysecret", max_tokens = 2 });
        await worker.PostAsync("/v1/completions", """{"prompt":"xyzzysecret" broken""");
        await worker.PostAsync("/v1/chat/completions", new { messages = new JsonObject { ["xyzzysecret"] = 1 } });
        worker.Signal("TERM");
        await worker.ExitAsync();
        Assert.DoesNotContain("xyzzysecret", worker.Errors, StringComparison.Ordinal);
    }
}
