using System.Globalization;
using System.Text;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.Telemetry;

/// <summary>What the worker counts, written as Prometheus text. llama-server's names where they mean the same. Thread-safe.</summary>
public sealed class WorkerMeters
{
    private static readonly double[] Waits = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
    private static readonly double[] Gaps = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5];

    private readonly Histogram _firstToken = new(Waits);
    private readonly Histogram _queue = new(Waits);
    private readonly Histogram _interToken = new(Gaps);
    private readonly long[] _ends = new long[Enum.GetValues<FinishKind>().Length];
    private long _promptTokens;
    private long _cachedTokens;
    private long _generatedTokens;
    private long _promptTicks;
    private long _decodeTicks;
    private long _steps;
    private long _stepTokens;
    private long _busySequences;
    private long _refused;
    private long _preempted;
    private long _guessed;
    private long _guessedRight;
    private long _drafts;
    private LoopGauges _gauges = new(0, 0, 0, 0, 0);

    /// <summary>The loop's state after its last step.</summary>
    public LoopGauges Gauges
    {
        get => Volatile.Read(ref _gauges);
        set => Volatile.Write(ref _gauges, value);
    }

    public void OnStep(int tokens, int sequences)
    {
        Interlocked.Increment(ref _steps);
        Interlocked.Add(ref _stepTokens, tokens);
        Interlocked.Add(ref _busySequences, sequences);
    }

    /// <summary>A text was computed that is not answered: an embedding, or a rank.</summary>
    public void OnPrompt(int tokens)
    {
        OnStep(tokens, 1);
        Interlocked.Add(ref _promptTokens, tokens);
    }

    public void OnFirstToken(TimeSpan queue, TimeSpan sinceArrival)
    {
        _queue.Observe(queue.TotalSeconds);
        _firstToken.Observe(sinceArrival.TotalSeconds);
    }

    public void OnToken(TimeSpan sinceLast) => _interToken.Observe(sinceLast.TotalSeconds);

    public void OnGuesses(int guessed, int right)
    {
        Interlocked.Add(ref _guessed, guessed);
        Interlocked.Add(ref _guessedRight, right);
        Interlocked.Increment(ref _drafts);
    }

    public void OnRefused() => Interlocked.Increment(ref _refused);

    public void OnPreempted() => Interlocked.Increment(ref _preempted);

    public void OnEnd(GenerationEnd end)
    {
        ArgumentNullException.ThrowIfNull(end);
        Interlocked.Increment(ref _ends[(int)end.Kind]);
        Interlocked.Add(ref _promptTokens, end.Figures.PromptTokens - end.Figures.CachedTokens);
        Interlocked.Add(ref _cachedTokens, end.Figures.CachedTokens);
        Interlocked.Add(ref _generatedTokens, end.Figures.CompletionTokens);
        Interlocked.Add(ref _promptTicks, end.Figures.PromptTime.Ticks);
        Interlocked.Add(ref _decodeTicks, end.Figures.DecodeTime.Ticks);
    }

    public string ToPrometheus()
    {
        var text = new StringBuilder(8192);
        var promptSeconds = TimeSpan.FromTicks(Interlocked.Read(ref _promptTicks)).TotalSeconds;
        var decodeSeconds = TimeSpan.FromTicks(Interlocked.Read(ref _decodeTicks)).TotalSeconds;
        var steps = Interlocked.Read(ref _steps);
        Counter(text, "llamacpp:prompt_tokens_total", "Prompt tokens computed.", _promptTokens);
        Counter(text, "llamacpp:prompt_tokens_cached_total", "Prompt tokens taken from the prefix cache.", _cachedTokens);
        Counter(text, "llamacpp:spec_decode_num_drafts_total", "Drafts of speculation.", _drafts);
        Counter(text, "llamacpp:spec_decode_num_draft_tokens_total", "Tokens guessed by speculation.", _guessed);
        Counter(text, "llamacpp:spec_decode_num_accepted_tokens_total", "Guessed tokens that were sampled.", _guessedRight);
        Counter(text, "llamacpp:prompt_seconds_total", "Seconds from start to first token, all requests.", promptSeconds);
        Counter(text, "llamacpp:tokens_predicted_total", "Tokens generated.", _generatedTokens);
        Counter(text, "llamacpp:tokens_predicted_seconds_total", "Seconds from first to last token, all requests.", decodeSeconds);
        Counter(text, "llamacpp:n_decode_total", "Decodes.", steps);
        Gauge(text, "llamacpp:n_busy_slots_per_decode", "Sequences in a decode, mean.", steps == 0 ? 0 : (double)_busySequences / steps);
        Gauge(text, "llamacpp:prompt_tokens_seconds", "Prompt tokens a second, mean of requests.", promptSeconds == 0 ? 0 : _promptTokens / promptSeconds);
        Gauge(text, "llamacpp:predicted_tokens_seconds", "Generated tokens a second, mean of requests.", decodeSeconds == 0 ? 0 : _generatedTokens / decodeSeconds);
        Gauge(text, "llamacpp:requests_processing", "Requests at work.", Gauges.Active);
        Gauge(text, "llamacpp:requests_deferred", "Requests waiting.", Gauges.Waiting);
        Counter(text, "finercut_worker_cached_prompt_tokens_total", "Prompt tokens taken from the prefix cache.", _cachedTokens);
        Counter(text, "finercut_worker_batch_tokens_total", "Tokens of all decodes.", _stepTokens);
        Counter(text, "finercut_worker_requests_refused_total", "Requests refused because the queue was full.", _refused);
        Counter(text, "finercut_worker_preemptions_total", "Generations that gave way for KV memory.", _preempted);
        Counter(text, "finercut_worker_guessed_tokens_total", "Tokens guessed by speculation.", _guessed);
        Counter(text, "finercut_worker_guessed_right_tokens_total", "Guessed tokens that were sampled.", _guessedRight);
        Gauge(text, "finercut_worker_kv_cells", "KV cells of the context.", Gauges.Cells);
        Gauge(text, "finercut_worker_kv_cells_used", "KV cells in use, kept prefixes included.", Gauges.UsedCells);
        Gauge(text, "finercut_worker_kept_prefixes", "Sequences kept for their prefix.", Gauges.KeptPrefixes);
        text.Append("# HELP finercut_worker_requests_total Generations by how they ended.\n# TYPE finercut_worker_requests_total counter\n");
        foreach (var kind in Enum.GetValues<FinishKind>())
        {
            text.Append(CultureInfo.InvariantCulture, $"finercut_worker_requests_total{{end=\"{kind.ToString().ToLowerInvariant()}\"}} ")
                .Append(Interlocked.Read(ref _ends[(int)kind])).Append('\n');
        }

        _firstToken.Write(text, "finercut_worker_time_to_first_token_seconds", "From arrival to the first token.");
        _interToken.Write(text, "finercut_worker_inter_token_seconds", "From one token of a request to its next.");
        _queue.Write(text, "finercut_worker_queue_seconds", "From arrival to a sequence of its own.");
        return text.ToString();
    }

    private static void Counter(StringBuilder text, string name, string help, double value) => Series(text, name, help, "counter", value);

    private static void Gauge(StringBuilder text, string name, string help, double value) => Series(text, name, help, "gauge", value);

    private static void Series(StringBuilder text, string name, string help, string type, double value) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n{name} {value}\n");
}

/// <summary>The loop's state after a step.</summary>
public sealed record LoopGauges(int Active, int Waiting, int Cells, int UsedCells, int KeptPrefixes);
