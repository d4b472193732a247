using System.Globalization;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;
using Spectre.Console;

namespace FinerCut.Gateway.Demo;

/// <summary>
/// What the demo shows: lines that stay, and on a terminal one line that changes. Without a terminal the changing line is left out, so that logs
/// stay readable. Used by one thread, except <see cref="Count"/>.
/// </summary>
public sealed class DemoScreen(IAnsiConsole console, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly long _start = time.GetTimestamp();
    private PruneProgress? _last;
    private bool _transient;

    public TimeSpan Elapsed => time.GetElapsedTime(_start);

    public IAnsiConsole Console => console;

    public void Heading(string text) => Line($"\n[bold]{Markup.Escape(text)}[/]");

    /// <param name="markup">Spectre markup.</param>
    public void Line(string markup)
    {
        lock (_gate)
        {
            Wipe();
            console.MarkupLine(markup);
        }
    }

    /// <summary>"label 12 of 88" on the changing line; thread-safe.</summary>
    public void Count(string label, int done, int all) => Change($"  {label} {done} of {all}");

    public void Progress(JobModel job)
    {
        ArgumentNullException.ThrowIfNull(job);
        if (job.Progress is not { } progress || progress == _last) return;
        if (progress.Phase != _last?.Phase) Line($"  [grey]{Clock()}[/] {PhaseText(progress.Phase)}");
        if (progress is { Phase: PrunePhase.Search, Removed: { } removed })
        {
            Line(string.Create(CultureInfo.InvariantCulture, $"  [grey]{Clock()}[/] step {progress.Step,2}  removed [yellow]{removed,-8}[/] distance {progress.Distance:0.0000}  ")
                + string.Create(CultureInfo.InvariantCulture, $"{progress.BytesRemoved / 1e6,5:0.0} MB gone  {progress.Evaluations,4} masks scored  {Eta(progress)}"));
        }
        else
        {
            Change($"  {PhaseText(progress.Phase)}: {progress.Step} of {progress.Steps}, {progress.Evaluations} masks scored, {Eta(progress)}");
        }

        _last = progress;
    }

    private static string PhaseText(PrunePhase phase) => phase switch
    {
        PrunePhase.Loading => "loading the model",
        PrunePhase.Texts => "texts that the full model writes itself",
        PrunePhase.Reference => "reference logits of the full model",
        PrunePhase.Search => "search: which sublayer matters least",
        PrunePhase.Healing => "healing: closed-form fits, sublayer by sublayer",
        PrunePhase.Writing => "writing the lean file",
        PrunePhase.Verifying => "reloading the file and comparing it with the mask",
        PrunePhase.Gate => "gate: full against lean on held-out traffic",
        PrunePhase.Measuring => "measuring speed, full and lean side by side",
        _ => "done",
    };

    private static string Eta(PruneProgress progress) =>
        progress.EtaSeconds is { } eta ? string.Create(CultureInfo.InvariantCulture, $"ETA {Math.Max(0, eta):0} s") : "ETA unknown";

    private string Clock() => Elapsed.ToString(@"mm\:ss", CultureInfo.InvariantCulture);

    private void Change(string text)
    {
        if (!console.Profile.Capabilities.Ansi) return;
        lock (_gate)
        {
            Wipe();
            console.Write(new ControlCode(text));
            _transient = true;
        }
    }

    private void Wipe()
    {
        if (!_transient) return;
        console.Write(new ControlCode("\r\u001b[2K"));
        _transient = false;
    }
}
