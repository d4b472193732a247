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
        // Somebody who looked for it before it was there, and comes to fetch it when the others have it.
        Assert.Equal(paths[0], await taker.Files.FetchAsync(Sha256, Length, ["a"], CancellationToken.None));
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
    public async Task A_split_models_files_travel_together_and_lie_under_the_names_that_belong_to_them()
    {
        var (source, taker) = (await GiverAsync("a", 0, null), await GiverAsync("b", 1, null));
        byte[][] shards = [_content[..100_000], _content[100_000..3_000_000], _content[3_000_000..3_000_005]];
        var parts = new List<FilePart>();
        var paths = ShardSet.PathsOf(source.State.Of("some.gguf-00001-of-00003.gguf"));
        Assert.Equal(["some.gguf-00001-of-00003.gguf", "some.gguf-00002-of-00003.gguf", "some.gguf-00003-of-00003.gguf"], paths.Select(path => Path.GetFileName(path)));
        foreach (var (shard, path) in shards.Zip(paths))
        {
            await File.WriteAllBytesAsync(path, shard);
            parts.Add(new FilePart { Sha256 = await source.Files.HashAsync(path, CancellationToken.None), Bytes = shard.Length });
        }

        // One of them is here already, as somebody's own file.
        var own = taker.State.Of("mine.gguf");
        await File.WriteAllBytesAsync(own, shards[2]);
        await taker.Files.HashAsync(own, CancellationToken.None);
        var sha256 = ShardSet.HashOf(parts);
        var got = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => taker.Files.FetchSetAsync(sha256, parts, ["a"], CancellationToken.None)));
        var first = Assert.Single(got.Distinct());
        foreach (var (shard, path) in shards.Zip(ShardSet.PathsOf(first))) Assert.Equal(shard, await File.ReadAllBytesAsync(path));
        Assert.Equal(1 + 3, source.Pieces);
        Assert.True(File.Exists(own));

        // And from there to a third, though the first has lost them.
        foreach (var path in paths) File.Delete(path);
        var third = await GiverAsync("c", 1, null);
        var last = await third.Files.FetchSetAsync(sha256, parts, ["a", "b"], CancellationToken.None);
        foreach (var (shard, path) in shards.Zip(ShardSet.PathsOf(last))) Assert.Equal(shard, await File.ReadAllBytesAsync(path));
        parts.Reverse();
        await Assert.ThrowsAsync<HostFileException>(() => third.Files.FetchSetAsync(sha256, parts, ["b"], CancellationToken.None));
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
