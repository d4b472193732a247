using System.Text;
using FinerCut.Cluster.Jobs;
using Orleans.Concurrency;

namespace FinerCut.Tests.Cluster.Jobs;

/// <summary>A job's work folder on a host, and what is kept of it.</summary>
public sealed class JobFolderTests : IAsyncLifetime
{
    private const string Checkpoint = "checkpoint.json";

    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-job-").FullName;
    private TestSilos _silos = null!;

    private IJobFileGrain Kept => _silos.Grains(0).GetGrain<IJobFileGrain>(JobText.FileKey("job-1", Checkpoint));

    public async ValueTask InitializeAsync() => _silos = await TestSilos.StartAsync(1);

    public async ValueTask DisposeAsync()
    {
        await _silos.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>
    /// A host that had the job before goes on with it, and says how it stands, with its files, while it takes up what another has found since: what it has of its own is older. Keeping it put the job back, and the
    /// two changed one dictionary at once, which failed the job.
    /// </summary>
    [Fact]
    public async Task Nothing_is_kept_of_what_lies_there_before_all_is_restored()
    {
        await Kept.WriteAsync(1, Encoding.UTF8.GetBytes("of the other host").AsImmutable());
        await File.WriteAllTextAsync(Path.Combine(_folder, Checkpoint), "old");
        var folder = new JobFolder(_silos.Grains(0), "job-1", _folder);
        Assert.Empty(await folder.KeepAsync(2, CancellationToken.None));
        Assert.Equal("of the other host", Encoding.UTF8.GetString((await Kept.ReadAsync())!));

        await folder.RestoreAsync([Checkpoint]);
        Assert.Equal("of the other host", await File.ReadAllTextAsync(Path.Combine(_folder, Checkpoint)));
        Assert.Empty(await folder.KeepAsync(2, CancellationToken.None));

        await File.WriteAllTextAsync(Path.Combine(_folder, Checkpoint), "gone on with from there");
        Assert.Equal([Checkpoint], await folder.KeepAsync(2, CancellationToken.None));
        Assert.Equal("gone on with from there", Encoding.UTF8.GetString((await Kept.ReadAsync())!));
    }
}
