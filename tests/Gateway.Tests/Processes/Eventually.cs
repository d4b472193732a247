using System.Diagnostics;

namespace FinerCut.Tests.Processes;

/// <summary>Waits for conditions, with a time-out instead of a sleep.</summary>
public static class Eventually
{
    public static async Task BeAsync(Func<Task<bool>> condition, Func<string>? context = null, int seconds = 120)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed.TotalSeconds > seconds) Assert.Fail($"Not so within {seconds} s. {context?.Invoke()}");
            await Task.Delay(10);
        }
    }

    public static Task BeAsync(Func<bool> condition, Func<string>? context = null, int seconds = 120) => BeAsync(() => Task.FromResult(condition()), context, seconds);

    public static bool IsAlive(int processId)
    {
        try
        {
            using var process = Process.GetProcessById(processId);
            // A killed child of a killed parent may stay as a zombie where nobody reaps it.
            return !process.HasExited && !(File.Exists($"/proc/{processId}/stat") && File.ReadAllText($"/proc/{processId}/stat").Contains(") Z ", StringComparison.Ordinal));
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException or IOException)
        {
            return false;
        }
    }
}
