using System.ComponentModel;
using Microsoft.SemanticKernel;

namespace FinerCut.Samples;

/// <summary>A tool to try tool calls with.</summary>
public sealed class ClockPlugin(TimeProvider clock)
{
    [KernelFunction("now"), Description("The date and time at an offset from UTC.")]
    public string Now([Description("Hours from UTC, such as 2 for Paris in summer.")] int hours = 0) =>
        clock.GetUtcNow().ToOffset(TimeSpan.FromHours(Math.Clamp(hours, -12, 14))).ToString("dddd, d MMMM yyyy, HH:mm", System.Globalization.CultureInfo.InvariantCulture);
}
