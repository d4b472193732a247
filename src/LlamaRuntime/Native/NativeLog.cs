using System.Text;
using Microsoft.Extensions.Logging;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Receives llama.cpp's and ggml's log, from any thread. Lines go to the logger (information as debug: it is chatter to a server's operator);
/// the last warnings and errors of each thread are kept, so that an exception can say what the library complained of.
/// </summary>
internal sealed class NativeLog(ILogger logger)
{
    private const int Kept = 32;
    private const int MaxLine = 400;
    private readonly Lock _gate = new();
    private readonly StringBuilder _line = new();
    private readonly (long Stamp, int Thread, string Text)[] _complaints = new (long, int, string)[Kept];
    private int _lineLevel;
    private long _stamp;

    /// <summary>A point in the log to hand to <see cref="ComplaintsSince"/>.</summary>
    internal long Stamp => Interlocked.Read(ref _stamp);

    /// <summary>What the library warned of on this thread since then, in one line; empty where it said nothing.</summary>
    internal string ComplaintsSince(long stamp)
    {
        lock (_gate)
        {
            var thread = Environment.CurrentManagedThreadId;
            return string.Join("; ", _complaints.Where(entry => entry.Stamp > stamp && entry.Thread == thread).OrderBy(entry => entry.Stamp).Select(entry => entry.Text));
        }
    }

    /// <summary>A piece of a line at a ggml_log_level, from any thread.</summary>
    internal void Append(int level, string text)
    {
        lock (_gate)
        {
            if (level != NativeLevel.Continue)
            {
                Flush();
                _lineLevel = level;
            }

            _line.Append(text);
            if (text.EndsWith('\n') || _line.Length > MaxLine) Flush();
        }
    }

    private void Flush()
    {
        var text = _line.ToString().Trim();
        _line.Clear();
        // Lines of the grammar engine quote generated text, which never goes into logs (AGENTS.md).
        if (text.Length == 0 || text.All(letter => letter == '.') || text.StartsWith("Grammar ", StringComparison.Ordinal)) return;
        if (_lineLevel is NativeLevel.Warn or NativeLevel.Error)
        {
            var stamp = Interlocked.Increment(ref _stamp);
            _complaints[stamp % Kept] = (stamp, Environment.CurrentManagedThreadId, text);
        }

        var level = _lineLevel switch
        {
            _ when IsExpected(text) => LogLevel.Debug,
            NativeLevel.Error => LogLevel.Error,
            NativeLevel.Warn => LogLevel.Warning,
            NativeLevel.Info => LogLevel.Debug,
            _ => LogLevel.Trace,
        };
        logger.Log(level, "llama.cpp: {Line}", text);
    }

    /// <summary>An abort and a full memory are outcomes of a decode, not faults.</summary>
    private static bool IsExpected(string text) =>
        text.EndsWith("graph_compute_async failed with error 1", StringComparison.Ordinal) // GGML_STATUS_ABORTED
        || text.Contains("removing memory module entries", StringComparison.Ordinal)
        || text.Contains("failed to find a memory slot", StringComparison.Ordinal);

    /// <summary>enum ggml_log_level.</summary>
    private static class NativeLevel
    {
        internal const int Info = 2;
        internal const int Warn = 3;
        internal const int Error = 4;
        internal const int Continue = 5;
    }
}
