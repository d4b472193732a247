using System.Collections.Concurrent;
using System.Security.Cryptography;
using FinerCut.Gateway.Commands.Downloads;
using FinerCut.Gguf;
using FinerCut.Jobs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace FinerCut.Gateway.Tests.Commands;

/// <summary>Against a real web server that can break off, change its mind, or hold something else than a model.</summary>
public sealed class ModelDownloadTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-pull-");
    private readonly ConcurrentQueue<string> _ranges = new();
    private readonly HttpClient _http = new();
    private WebApplication _server = null!;
    private byte[] _content = [];
    private string _tag = "\"one\"";
    private int _breakAfter = int.MaxValue;

    private string Target => Path.Combine(_folder.FullName, "tiny.gguf");

    public async ValueTask InitializeAsync()
    {
        _content = Model(1);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRouting();
        _server = builder.Build();
        _server.MapGet("/tiny.gguf", async context =>
        {
            _ranges.Enqueue(context.Request.Headers.Range.ToString());
            var from = context.Request.Headers.Range.Count > 0 && context.Request.Headers.IfRange == _tag ? int.Parse(context.Request.Headers.Range.ToString()["bytes=".Length..^1]) : 0;
            context.Response.Headers.ETag = _tag;
            if (from > 0)
            {
                context.Response.StatusCode = StatusCodes.Status206PartialContent;
                context.Response.Headers.ContentRange = $"bytes {from}-{_content.Length - 1}/{_content.Length}";
            }

            context.Response.ContentLength = _content.Length - from;
            var sent = Math.Min(_breakAfter, _content.Length - from);
            await context.Response.Body.WriteAsync(_content.AsMemory(from, sent), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            if (sent < _content.Length - from) await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await _server.StartAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_file_comes_whole_and_checked()
    {
        var hash = await PullAsync(null);
        Assert.Equal(Hash(), hash);
        Assert.Equal(_content, await File.ReadAllBytesAsync(Target, TestContext.Current.CancellationToken));
        Assert.Equal(["tiny.gguf"], Directory.GetFiles(_folder.FullName).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_file_of_this_machine_is_checked_in_the_same_way()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var source = Path.Combine(_folder.FullName, "here", "tiny.gguf");
        Directory.CreateDirectory(Path.GetDirectoryName(source)!);
        await File.WriteAllBytesAsync(source, _content, cancellationToken);
        Assert.Equal(Hash(), await ImportAsync(source, Hash()));
        Assert.Equal(_content, await File.ReadAllBytesAsync(Target, cancellationToken));
        Assert.Contains("exists already", (await Assert.ThrowsAsync<DownloadException>(() => ImportAsync(source, null))).Message, StringComparison.Ordinal);
        File.Delete(Target);
        Assert.Contains("the SHA-256 is", (await Assert.ThrowsAsync<DownloadException>(() => ImportAsync(source, new string('0', 64)))).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(source, "no model", cancellationToken);
        Assert.Contains("not a sound GGUF", (await Assert.ThrowsAsync<DownloadException>(() => ImportAsync(source, null))).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Target));
    }

    [Theory]
    [InlineData("https://a.example/x/m.gguf", null, "https://a.example/x/m.gguf")]
    [InlineData("m.gguf", "https://a.example/x", "https://a.example/x/m.gguf")]
    [InlineData("y/m.gguf", "http://a.example/x/", "http://a.example/x/y/m.gguf")]
    [InlineData("../m.gguf", "http://a.example/x/", null)]
    [InlineData("m.gguf", null, null)]
    [InlineData("ftp://a.example/m.gguf", "http://a.example", null)]
    public void A_name_is_looked_for_below_the_base_address(string given, string? start, string? source) => Assert.Equal(source, PullCommand.SourceOf(given, start)?.ToString());

    private Task<string> ImportAsync(string source, string? sha256) =>
        new ModelDownload(_http, TimeProvider.System).ImportAsync(source, Target, sha256, new Told(_ => { }), TestContext.Current.CancellationToken);

    [Fact]
    public async Task What_broke_off_goes_on_where_it_stopped()
    {
        _breakAfter = 1000;
        using var enough = new CancellationTokenSource();
        var pull = PullAsync(null, new Told(progress => { if (progress.Done >= 1000) enough.Cancel(); }), enough.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull);
        var had = new FileInfo(Target + ".part").Length;
        Assert.InRange(had, 1000, _content.Length - 1);
        _breakAfter = int.MaxValue;
        _ranges.Clear();
        Assert.Equal(Hash(), await PullAsync(Hash()));
        Assert.Equal([$"bytes={had}-"], _ranges);
    }

    [Fact]
    public async Task Another_content_under_the_same_name_begins_anew()
    {
        await File.WriteAllBytesAsync(Target + ".part", _content[..500], TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Target + ".part.etag", "\"one\"", TestContext.Current.CancellationToken);
        (_content, _tag) = (Model(2), "\"two\"");
        Assert.Equal(Hash(), await PullAsync(Hash()));
    }

    [Fact]
    public async Task A_wrong_hash_leaves_no_file()
    {
        var failure = await Assert.ThrowsAsync<DownloadException>(() => PullAsync(new string('0', 64)));
        Assert.Equal(ExitCode.Failed, failure.ExitCode);
        Assert.Contains(Hash(), failure.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Target));
        Assert.False(File.Exists(Target + ".part"));
    }

    [Fact]
    public async Task What_is_no_model_does_not_get_the_name_of_one()
    {
        _content = [.. "<html>Please sign in</html>"u8];
        var failure = await Assert.ThrowsAsync<DownloadException>(() => PullAsync(null));
        Assert.Contains("not a sound GGUF file", failure.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Target));
    }

    [Fact]
    public async Task An_address_that_does_not_exist_is_bad_input()
    {
        var failure = await Assert.ThrowsAsync<DownloadException>(() => new ModelDownload(_http, TimeProvider.System).RunAsync(
            new Uri(Address(), "/none.gguf"), Target, null, new Told(_ => { }), TestContext.Current.CancellationToken));
        Assert.Equal(ExitCode.BadInput, failure.ExitCode);
    }

    [Theory]
    [InlineData("https://example.org/models/a%20b.gguf?x=1", "a b.gguf")]
    [InlineData("https://example.org/models/..%2F..%2Fetc%2Fcron.d%2Fx.gguf", null)]
    [InlineData("https://example.org/models/..%5Cx.gguf", null)]
    [InlineData("https://example.org/models/", null)]
    public void A_name_out_of_an_address_stays_in_its_folder(string address, string? name) => Assert.Equal(name, PullCommand.FileNameOf(new Uri(address)));

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _http.Dispose();
        _folder.Delete(recursive: true);
    }

    private static byte[] Model(int fill)
    {
        var path = Path.GetTempFileName();
        var floats = new float[2048];
        Array.Fill(floats, fill);
        GgufWriter.Write(new GgufEdit().Set(GgufKeys.Architecture, "fake").Add(GgufTensorPlan.Floats("some.weight", [2048], floats)), path);
        var content = File.ReadAllBytes(path);
        File.Delete(path);
        return content;
    }

    private Uri Address() => new(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    private string Hash() => Convert.ToHexStringLower(SHA256.HashData(_content));

    private Task<string> PullAsync(string? sha256, IProgress<DownloadProgress>? progress = null, CancellationToken? cancellationToken = null) => new ModelDownload(_http, TimeProvider.System).RunAsync(
        new Uri(Address(), "/tiny.gguf"), Target, sha256, progress ?? new Told(_ => { }), cancellationToken ?? TestContext.Current.CancellationToken);

    private sealed class Told(Action<DownloadProgress> told) : IProgress<DownloadProgress>
    {
        public void Report(DownloadProgress value) => told(value);
    }
}
