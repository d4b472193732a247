using System.Globalization;
using FinerCut.CommandLine;

namespace FinerCut.Worker;

/// <summary>What a verb is busy with, on standard error: one line that moves on a terminal, one line a change elsewhere. Thread-safe.</summary>
internal sealed class TerminalProgress(TextWriter terminal, bool moves)
{
    private readonly Lock _gate = new();
    private string? _told;
    private int _width;

    public static TerminalProgress OnStandardError() => new(Console.Error, !Console.IsErrorRedirected);

    /// <param name="what">Such as search 3/12.</param>
    /// <param name="etaSeconds">To the end, null where nothing is known.</param>
    /// <param name="share">Done of the whole, from 0 to 1, for the bar on a terminal; null where it is not known.</param>
    /// <param name="details">Told on a terminal only, since they change all the time.</param>
    public void Tell(string what, double? etaSeconds, double? share = null, string details = "")
    {
        lock (_gate)
        {
            if (!moves)
            {
                if (what == _told) return;
                terminal.WriteLine(Line(what, etaSeconds, details));
                _told = what;
                return;
            }

            var line = $"{ProgressBar.Of(share)} {Line(what, etaSeconds, details)}";
            terminal.Write($"\r{line.PadRight(_width)}");
            (_width, _told) = (line.Length, what);
        }
    }

    /// <summary>What follows begins on a line of its own.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (moves && _told is not null) terminal.WriteLine();
            _told = null;
        }
    }

    private static string Line(string what, double? etaSeconds, string details) =>
        what + (details.Length > 0 ? $", {details}" : "") + (etaSeconds is { } left ? string.Create(CultureInfo.InvariantCulture, $", about {left:F0} s to go") : "");
}
