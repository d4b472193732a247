using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Gateway.Admin;
using FinerCut.Gateway.Pruning;
using FinerCut.Jobs;
using Spectre.Console;

namespace FinerCut.Gateway.Demo;

/// <summary>One run of the demo against a gateway's public address: it knows nothing that a client and an operator would not.</summary>
public sealed class DemoRun(Uri address, string adminKey, DemoScreen screen)
{
    public const string Model = "smollm2-135m";

    private const int Streams = 4;
    private const int AnswerTokens = 48;
    private static readonly TimeSpan SwapPatience = TimeSpan.FromMinutes(1);

    private readonly ImmutableArray<DemoPrompt> _prompts = DemoPrompts.Load();
    private JobModel? _job;
    private TrafficTally? _swap;

    /// <summary>What came of it, for programs.</summary>
    public JsonObject ToJson(bool held) => new()
    {
        ["held"] = held,
        ["seconds"] = screen.Elapsed.TotalSeconds,
        ["job"] = JsonSerializer.SerializeToNode(_job, AdminJson.Options),
        ["swap"] = _swap is null ? null : new JsonObject { ["sent"] = _swap.Sent, ["answered"] = _swap.Answered, ["failed"] = _swap.Failed, ["cut"] = _swap.Cut, ["mixed"] = _swap.Mixed },
    };

    public async Task<int> RunAsync(double fraction, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        using var admin = new AdminClient(address, adminKey);
        var chat = new ChatClient(http, Model);
        try
        {
            screen.Heading($"1  Serve and record: {_prompts.Length} chat requests, {Streams} at a time, through {address.GetLeftPart(UriPartial.Authority)}");
            var recorded = await RecordAsync(chat, admin, cancellationToken);

            screen.Heading($"2  Prune on that traffic: {fraction.ToString("P0", CultureInfo.InvariantCulture)} of the blocks' bytes");
            var job = await PruneAsync(admin, fraction, cancellationToken);
            _job = job;
            if (job.State != JobState.Passed || job.Result is not { } result)
            {
                screen.Line($"[red]The job ended as {job.State}:[/] {Markup.Escape(job.Error?.Message ?? "no reason given")}");
                return job.State == JobState.Refused ? ExitCode.Refused : ExitCode.Failed;
            }

            screen.Heading("3  Hot-swap while requests are streaming");
            var swap = await SwapAsync(chat, admin, job.Version, cancellationToken);
            _swap = swap;
            return Close(result, recorded, swap);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            screen.Line("Stopped.");
            return ExitCode.Interrupted;
        }
        catch (Exception exception) when (exception is AdminRefusalException or HttpRequestException or TimeoutException)
        {
            screen.Line($"[red]{Markup.Escape(exception.Message)}[/]");
            return ExitCode.Failed;
        }
    }

    private async Task<TrafficTally> RecordAsync(ChatClient chat, AdminClient admin, CancellationToken cancellationToken)
    {
        var tally = await ChatTraffic.SendAllAsync(chat, _prompts, Streams, AnswerTokens, done => screen.Count("answered", done, _prompts.Length), cancellationToken);
        using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        var recording = await admin.RecordingAsync(Model, cancellationToken);
        while (recording.Pending > 0 && await ticks.WaitForNextTickAsync(cancellationToken)) recording = await admin.RecordingAsync(Model, cancellationToken);
        screen.Line($"  {tally.Answered} answered, {tally.Failed + tally.Cut} failed, {tally.Tokens} tokens generated; {recording.Recorded} conversations recorded");
        return tally;
    }

    private async Task<JobModel> PruneAsync(AdminClient admin, double fraction, CancellationToken cancellationToken)
    {
        // Fewer calibration tokens than the default: the demo has five minutes on two cores, and the held-out figures say what that costs.
        var order = new JsonObject { ["healing"] = "none", ["budget"] = new JsonObject { ["fraction"] = fraction }, ["max_calibration_tokens"] = 512, ["max_held_out_tokens"] = 1280, ["promote"] = false };

        // The answers are sampled, so the traffic differs from run to run, and few held-out conversations give wide intervals: limits with room for both.
        order["gate"] = new JsonObject { ["max_mean_kl"] = 0.4, ["min_top1_agreement"] = 0.6, ["max_answer_nll_increase"] = 0.5, ["max_general_nll_increase"] = 0.8, ["min_common_prefix"] = 0.25 };
        var job = await admin.PruneAsync(Model, order, cancellationToken);
        screen.Line($"  POST /admin/models/{Model}/prune: job {job.Id}");
        await foreach (var state in admin.WatchAsync(job.Id, cancellationToken))
        {
            job = state;
            screen.Progress(job);
        }

        foreach (var check in job.Result?.Gate?.Checks ?? [])
        {
            var verdict = check.Passed ? "[green]kept[/]" : "[red]not kept[/]";
            screen.Line(string.Create(CultureInfo.InvariantCulture, $"  gate: {Markup.Escape(check.Name),-22} {check.Value.Mean,7:0.000}  ({check.Value.Low:0.000} to {check.Value.High:0.000})  limit {check.Limit:0.000} {verdict}"));
        }

        return job;
    }

    /// <summary>Streams run before, during and after the swap; each ends by itself.</summary>
    private async Task<TrafficTally> SwapAsync(ChatClient chat, AdminClient admin, string version, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var enough = new CancellationTokenSource();
        var finished = 0;
        var traffic = ChatTraffic.SendUntilAsync(chat, _prompts, Streams, AnswerTokens, done => Interlocked.Exchange(ref finished, done), enough.Token, patience.Token);
        patience.CancelAfter(SwapPatience);
        try
        {
            await FinishedAsync(Streams);
            var before = screen.Elapsed;
            await admin.PromoteAsync(Model, version, patience.Token);
            screen.Line(string.Create(CultureInfo.InvariantCulture, $"  POST /admin/models/{Model}/promote: {version} is active after {(screen.Elapsed - before).TotalSeconds:0.0} s, with {Streams} streams open"));
            await FinishedAsync(Volatile.Read(ref finished) + (2 * Streams));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"The swap was not done within {SwapPatience.TotalSeconds:0} s.");
        }
        finally
        {
            await enough.CancelAsync();
        }

        var tally = await traffic;
        foreach (var (from, count) in tally.Versions) screen.Line($"  {count} answers from {Markup.Escape(from)}");
        return tally;

        async Task FinishedAsync(int count)
        {
            using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            while (Volatile.Read(ref finished) < count && await ticks.WaitForNextTickAsync(patience.Token))
            {
            }
        }
    }

    private int Close(PruneResult result, TrafficTally recorded, TrafficTally swap)
    {
        screen.Heading("4  Before and after");
        screen.Console.Write(DemoTable.Draw(result, swap));
        foreach (var row in SublayerPicture.Draw(result.Blocks, result.Removed)) screen.Line("  " + Markup.Escape(row));
        string[] broken =
        [
            .. recorded.Lossless ? Array.Empty<string>() : [$"{recorded.Sent - recorded.Answered} of the recorded requests were not answered ({string.Join(", ", recorded.Problems)})"],
            .. swap.Lossless ? Array.Empty<string>() : [$"{swap.Sent - swap.Answered} requests were lost in the swap ({string.Join(", ", swap.Problems)})"],
            .. swap.Versions.Count == 2 ? Array.Empty<string>() : [$"answers came from {swap.Versions.Count} versions during the swap, expected 2"],
        ];
        foreach (var problem in broken) screen.Line($"[red]{Markup.Escape(problem)}[/]");
        screen.Line(string.Create(CultureInfo.InvariantCulture, $"\n{(broken.Length == 0 ? "[green]It all held.[/]" : "[red]It did not hold.[/]")} {screen.Elapsed.TotalSeconds:0} s"));
        return broken.Length == 0 ? ExitCode.Success : ExitCode.Failed;
    }
}
