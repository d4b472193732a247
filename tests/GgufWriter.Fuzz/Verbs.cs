using System.Diagnostics;
using System.Globalization;

namespace FinerCut.Gguf.Fuzz;

/// <summary>[SECONDS] [SEED] fuzzes; 0 seconds = until stopped. crash SOURCE TARGET BYTES SPINS rewrites and kills itself.</summary>
public static class Verbs
{
    public static int Run(string[] args)
    {
        if (args is ["crash", var source, var target, var bytes, var spins])
        {
            Crash(source, target, long.Parse(bytes, CultureInfo.InvariantCulture), int.Parse(spins, CultureInfo.InvariantCulture));
            return 0;
        }
        var numbers = new int[args.Length];
        for (var i = 0; i < args.Length; i++)
        {
            if (args.Length <= 2 && int.TryParse(args[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i])) continue;
            Console.Error.WriteLine("usage: [SECONDS, 0 = until stopped] [SEED]");
            return 2;
        }
        var seconds = numbers.Length > 0 ? numbers[0] : 60;
        var seed = numbers.Length > 1 ? numbers[1] : Random.Shared.Next();
        return Fuzz(seconds, seed);
    }

    private static int Fuzz(int seconds, int seed)
    {
        Console.WriteLine($"seed {seed}, {(seconds == 0 ? "until stopped" : $"{seconds} s")}");
        var fuzzer = new Fuzzer(seed);
        var clock = Stopwatch.StartNew();
        while (seconds == 0 || clock.Elapsed < TimeSpan.FromSeconds(seconds))
        {
            if (fuzzer.Step() is not { } failure) continue;
            var path = Path.GetFullPath($"fuzz-{seed}-{fuzzer.Inputs}.gguf");
            File.WriteAllBytes(path, fuzzer.Input);
            Console.Error.WriteLine($"input {fuzzer.Inputs} of seed {seed} breaks a promise; it lies in {path}\n{failure}");
            return 1;
        }
        Console.WriteLine($"{fuzzer.Inputs} inputs, {fuzzer.Accepted} accepted and verified, longest {fuzzer.Longest.TotalMilliseconds:F1} ms; refused for {fuzzer.Causes.Count} causes:");
        foreach (var (cause, count) in fuzzer.Causes.OrderByDescending(pair => pair.Value)) Console.WriteLine($"  {cause} {count}");
        return 0;
    }

    /// <summary>
    /// Rewrites the source to the target and dies by SIGKILL once that many bytes are written; with a negative number, that many
    /// turns of a busy loop after the last byte was, among syncing, reading back and renaming.
    /// </summary>
    private static void Crash(string source, string target, long bytes, int spins)
    {
        using var file = GgufFile.Open(source);
        GgufWriter.Write(new GgufEdit(file).Set("crash.test", 1u), target, new KillAt(bytes, spins));
    }

    private sealed class KillAt(long bytes, int spins) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value)
        {
            if (bytes >= 0 && value.BytesDone >= bytes) Kill();
            if (bytes >= 0 || value.BytesDone < value.BytesTotal) return;
            var thread = new Thread(() =>
            {
                Thread.SpinWait(spins);
                Kill();
            })
            { IsBackground = true };
            thread.Start();
        }

        private static void Kill()
        {
            using var self = Process.GetCurrentProcess();
            self.Kill();
        }
    }
}
