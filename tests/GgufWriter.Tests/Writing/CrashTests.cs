using System.Diagnostics;
using System.Globalization;

namespace FinerCut.Gguf.Tests.Writing;

/// <summary>A child process rewrites a file and dies by SIGKILL at a random point: the target is the old file or the new one, whole.</summary>
public sealed class CrashTests : IDisposable
{
    private const int Seed = 4711;

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Killed_at_50_points_of_a_rewrite_the_target_is_the_old_or_the_new_file()
    {
        var random = new Random(Seed);
        // Tensors large enough for a kernel copy each, so that there are many points to die at.
        var plan = Samples.EveryType();
        for (var i = 0; i < 60; i++) plan.Add(Samples.Tensor($"big.{i}", GgmlType.I8, i, 400 << 10));
        GgufWriter.Write(plan, _folder["source.gguf"]);
        using (var source = GgufFile.Open(_folder["source.gguf"])) GgufWriter.Write(new GgufEdit(source).Set("crash.test", 1u), _folder["new.gguf"]);
        var length = new FileInfo(_folder["new.gguf"]).Length;
        var (oldSeen, newSeen, killed) = (0, 0, 0);
        for (var i = 0; i < 50; i++)
        {
            File.Copy(_folder["source.gguf"], _folder["target.gguf"], overwrite: true);
            // Most while writing, the others while syncing, reading back and renaming; the last perhaps after that.
            var writing = i < 30;
            if (Run(writing ? random.NextInt64(length) : -1, writing ? 0 : random.Next(800_000)) != 0) killed++;
            if (Same("target.gguf", "source.gguf")) oldSeen++;
            else if (Same("target.gguf", "new.gguf")) newSeen++;
            else Assert.Fail($"run {i}: the target is neither the old nor the new file");
        }
        Assert.True(oldSeen >= 30 && killed >= 30, $"old {oldSeen}, new {newSeen}, killed {killed}");
        Assert.Equal(0, Run(long.MaxValue, 0));
        Assert.True(Same("target.gguf", "new.gguf"));

        // The next writer clears up what the killed ones left beside the target.
        using (var source = GgufFile.Open(_folder["source.gguf"])) GgufWriter.Write(new GgufEdit(source), _folder["target.gguf"]);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*.partial"));
    }

    private bool Same(string a, string b) => File.ReadAllBytes(_folder[a]).AsSpan().SequenceEqual(File.ReadAllBytes(_folder[b]));

    private int Run(long bytes, int spins)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet");
        foreach (var argument in (string[])
                 [
                     Path.Combine(AppContext.BaseDirectory, "FinerCut.GgufWriter.Fuzz.dll"), "crash", _folder["source.gguf"], _folder["target.gguf"],
                     bytes.ToString(CultureInfo.InvariantCulture), spins.ToString(CultureInfo.InvariantCulture),
                 ])
        {
            start.ArgumentList.Add(argument);
        }
        using var child = Process.Start(start)!;
        Assert.True(child.WaitForExit(TimeSpan.FromSeconds(30)), "the child hangs");
        return child.ExitCode;
    }
}
