using System.Globalization;

namespace FinerCut.CommandLine;

/// <summary>A bar for a terminal's moving line. Compiled into the Worker and into the Gateway. Pure.</summary>
internal static class ProgressBar
{
    private const int Width = 20;

    /// <param name="share">Of the whole, from 0 to 1; null where it is not known.</param>
    public static string Of(double? share)
    {
        if (share is not { } known || double.IsNaN(known)) return $"[{new string('.', Width)}]  ?  ";
        var full = Math.Clamp(known, 0, 1);
        var done = (int)(full * Width);
        return string.Create(CultureInfo.InvariantCulture, $"[{new string('#', done)}{new string('-', Width - done)}] {Math.Floor(100 * full),3} %");
    }

    /// <summary>Share of the time, where what is left is known.</summary>
    public static double? OfTime(double elapsedSeconds, double? etaSeconds) => etaSeconds is { } left && elapsedSeconds + left > 0 ? elapsedSeconds / (elapsedSeconds + Math.Max(0, left)) : null;
}
