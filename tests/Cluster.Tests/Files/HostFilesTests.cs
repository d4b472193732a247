using System.Collections.Concurrent;
using System.Security.Cryptography;
using FinerCut.Cluster.Files;
using FinerCut.Cluster.Hosts;
using FinerCut.Cluster.Models;
using FinerCut.Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace FinerCut.Tests.Cluster.Files;

/// <summary>A model file on its way between hosts.</summary>
public sealed class HostFilesTests : IAsyncLifetime
{
    private const long Length = (9 << 20) + 12345;

    private readonly List<Giver> _givers = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("finercut-files-");
    private readonly byte[] _content = new byte[Length];
    private TestSilos _silos = null!;

    public async ValueTask InitializeAsync()
    {
        new Random(3).NextBytes(_content);
        _silos = await TestSilos.StartAsync(2);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var giver in _givers) giver.State.Dispose();
        await _silos.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private string Sha256 => Convert.ToHexStringLower(SHA256.HashData(_content));

    [Fact]
    public async Task A_file_travels_once_whoever_wants_it_at_the_same_time()
    {
        var (source, taker) = (await GiverAsync("a", 0, _content), await GiverAsync("b", 1, null));
        var paths = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => taker.Files.FetchAsync(Sha256, Length, ["a"], CancellationToken.None)));
        Assert.Equal(_content, await File.ReadAllBytesAsync(Assert.Single(paths.Distinct())));
        Assert.Equal(10, source.Pieces);
        Assert.Equal(paths[0], await taker.Files.FindAsync(Sha256, null, CancellationToken.None));
    }

    [Fact]
    public async Task A_fetch_that_broke_off_goes_on_where_it_was()
    {
        var (source, taker) = (await GiverAsync("a", 0, _content), await GiverAsync("b", 1, null));
        source.BreaksAfter = 6;
        Assert.Contains("no such file", (await Assert.ThrowsAsync<HostFileException>(() => taker.Files.FetchAsync(Sha256, Length, ["a"], CancellationToken.None))).Message, StringComparison.Ordinal);
        // Pieces that were asked ahead may still be under way and come after this: those that had come are what must not be asked for again.
        source.BreaksAfter = int.MaxValue;
        var path = await taker.Files.FetchAsync(Sha256, Length, ["a"], CancellationToken.None);
        Assert.Equal(_content, await File.ReadAllBytesAsync(path));
        Assert.Equal(Enumerable.Range(0, 6), source.Asked.Where(piece => piece < 6).Order());
        Assert.Equal(Enumerable.Range(6, 4), source.Asked.Where(piece => piece >= 6).Distinct().Order());
    }

    [Fact]
    public async Task What_is_not_the_file_is_thrown_away_and_the_next_host_asked()
    {
        var (liar, source, taker) = (await GiverAsync("a", 0, _content), await GiverAsync("c", 0, _content), await GiverAsync("b", 1, null));
        liar.Lies = true;
        Assert.Equal(_content, await File.ReadAllBytesAsync(await taker.Files.FetchAsync(Sha256, Length, ["a", "c"], CancellationToken.None)));
        Assert.Equal(10, source.Pieces);
        var alone = await GiverAsync("d", 1, null);
        Assert.Contains("instead of", (await Assert.ThrowsAsync<HostFileException>(() => alone.Files.FetchAsync(Sha256, Length, ["a"], CancellationToken.None))).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(alone.State.Of("files")));
        await Assert.ThrowsAsync<HostFileException>(() => alone.Files.FetchAsync(Sha256, Length, [], CancellationToken.None));
    }

    [Fact]
    public async Task A_file_that_is_there_under_any_name_is_found_by_its_content()
    {
        var host = await GiverAsync("a", 0, _content);
        Assert.Equal(host.Path, await host.Files.FindAsync(Sha256, null, CancellationToken.None));
        await File.WriteAllBytesAsync(host.Path, [1, 2, 3]);
        Assert.Null(await host.Files.FindAsync(Sha256, host.Path, CancellationToken.None));
    }

    private async Task<Giver> GiverAsync(string name, int silo, byte[]? content)
    {
        var giver = new Giver(_silos.Grains(silo), Path.Combine(_folder.FullName, name));
        _givers.Add(giver);
        if (content is not null)
        {
            await File.WriteAllBytesAsync(giver.Path, content);
            await giver.Files.HashAsync(giver.Path, CancellationToken.None);
        }

        await _silos.Grains(silo).GetGrain<IHostGrain>(name).JoinAsync(new HostCard { Host = name, LimitBytes = 1, Held = [] }, giver.Self);
        return giver;
    }

    private sealed class Giver : IHostPort
    {
        public Giver(IGrainFactory grains, string folder)
        {
            State = StateFolder.Open(folder);
            Files = new HostFiles(grains, NullLogger<HostFiles>.Instance);
            Files.Start(State, () => [], TimeProvider.System, CancellationToken.None);
            Self = grains.CreateObjectReference<IHostPort>(this);
        }

        public StateFolder State { get; }

        public HostFiles Files { get; }

        public IHostPort Self { get; }

        public string Path => State.Of("model.gguf");

        /// <summary>Numbers of the pieces that were given.</summary>
        public ConcurrentQueue<int> Asked { get; } = [];

        public int Pieces => Asked.Count;

        public int BreaksAfter { get; set; } = int.MaxValue;

        public bool Lies { get; set; }

        public async Task<byte[]?> ReadFileAsync(string sha256, long offset, int length)
        {
            if (offset >= (long)BreaksAfter << 20) return null;
            Asked.Enqueue((int)(offset >> 20));
            var piece = await Files.ReadAsync(sha256, offset, length);
            if (Lies && piece is not null) piece[^1] ^= 1;
            return piece;
        }

        public Task<long?> ForecastAsync(WorkerOrder order) => Task.FromResult<long?>(null);

        public Task<StartOutcome> StartAsync(WorkerOrder order) => throw new NotSupportedException();

        public Task StopAsync(WorkerOrder order) => throw new NotSupportedException();
    }
}
