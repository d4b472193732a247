using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace FinerCut.GatewayBench;

/// <summary>
/// Wakes whoever waits at the moment that he names, within some ten microseconds. .NET's own timers go by whole milliseconds, so that streams that have nothing to do with each
/// other would send together. One thread.
/// </summary>
internal sealed partial class Pacer
{
    /// <summary>What a sleep oversleeps (the kernel's timer slack); waited for awake.</summary>
    private const long AwakeNs = 60_000;

    private readonly Channel<(long Due, TaskCompletionSource Waiter)> _waiting = Channel.CreateUnbounded<(long, TaskCompletionSource)>();

    public Pacer() => new Thread(Run) { IsBackground = true, Name = "pacer" }.Start();

    /// <param name="due">A <see cref="Stopwatch"/> timestamp.</param>
    public Task UntilAsync(long due)
    {
        var waiter = new TaskCompletionSource();
        _waiting.Writer.TryWrite((due, waiter));
        return waiter.Task;
    }

    private void Run()
    {
        var queue = new PriorityQueue<TaskCompletionSource, long>();
        while (true)
        {
            while (_waiting.Reader.TryRead(out var item)) queue.Enqueue(item.Waiter, item.Due);
            var now = Stopwatch.GetTimestamp();
            // A newcomer is due in 25 ms at the earliest: a millisecond's nap misses nothing.
            var due = queue.TryPeek(out var next, out var at) ? Math.Min(at, now + (Stopwatch.Frequency / 1000)) : now + (Stopwatch.Frequency / 1000);
            if (next is not null && at <= now)
            {
                queue.Dequeue();
                next.SetResult();
                continue;
            }

            var left = (due - now) * (1_000_000_000 / Stopwatch.Frequency);
            if (left <= AwakeNs) Thread.SpinWait(10);
            else
            {
                var nap = new Span(0, (nint)(left - AwakeNs));
                _ = Nanosleep(in nap, 0);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Nanosleep(in Span time, nint remaining);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Span(nint Seconds, nint Nanoseconds);
}
