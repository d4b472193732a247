using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Jobs;
using FinerCut.Masks;
using FinerCut.Worker.Gguf;
using FinerCut.Worker.Serving;
using FinerCut.Words;

namespace FinerCut.Worker.Prune;

/// <summary>
/// A prune job as one types it: <c>prune MODEL --traffic FILE.jsonl --budget bytes:20%</c>. The traffic is dealt into the two sets of the job, by
/// conversation.
/// </summary>
internal sealed class PruneOptions
{
    private static readonly PruneRequest Plain = new() { JobId = "", ModelPath = "", OutputPath = "", WorkFolder = "", CalibrationPath = "", HeldOutPath = "", Budget = new PruneBudget() };

    private readonly Argument<FileInfo?> _model = new("MODEL") { Arity = ArgumentArity.ZeroOrOne, Description = "The GGUF file to make leaner; of a split one the first shard." };
    private readonly Option<FileInfo?> _traffic = new("--traffic") { Description = "Recorded conversations, one JSON object a line: id, messages or prompt, answer. Those held out judge; the rest steer the search [default: none; with MODEL it must be given]" };
    private readonly Option<string?> _budget = new("--budget") { Description = $"What is to go: {PruneBudgetText.Forms} [default: none; with MODEL it must be given]" };
    private readonly Option<FileInfo?> _output = new("--output", "-o") { Description = "The lean model to write [default: MODEL with .lean before .gguf]" };
    private readonly Option<DirectoryInfo?> _work = new("--work") { Description = "Folder of checkpoint and result; the same command resumes from it [default: OUTPUT.work]" };
    private readonly Option<SearchKind?> _search = Word("--search", Plain.Search, "How to search; docs/pruning.md tells each.");
    private readonly Option<DistanceKind?> _distance = Word("--distance", Plain.Measure, "What is small between near models; jensen_shannon by default where --search is neither auto nor surgeon.");
    private readonly Option<DistanceTokens?> _tokens = Word("--distance-tokens", Plain.DistanceTokens, "Positions that count.");
    private readonly Option<HealingKind?> _healing = Word("--healing", Plain.Healing, "How what went is made up for.");
    private readonly Option<string?> _grains = new("--grains") { Description = "Moves, with commas between: block,sublayer,kv_group,ffn_slice [default: all of them]" };
    private readonly Option<string?> _keep = new("--keep") { Description = "Sublayers that stay, with commas between: attn:0,ffn:0 [default: none]" };
    private readonly Option<string?> _only = new("--only") { Description = "The only kind that may be touched: attention or ffn [default: both]" };
    private readonly Option<string[]> _gate = new("--gate") { Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true, Description = "Limits of the gate, NAME=VALUE: max_mean_kl=0.4 min_top1_agreement=0.6 … [default: those of docs/pruning.md]" };
    private readonly Option<double> _heldOut = new("--held-out-share") { DefaultValueFactory = _ => 0.5, Description = "Share of the conversations that is held out." };
    private readonly Option<int?> _calibrationTokens = new("--calibration-tokens") { Description = $"Tokens of calibration at most [default: {Plain.MaxCalibrationTokens}, twice as many for --search beam, local, evolutionary]" };
    private readonly Option<int?> _heldOutTokens = new("--held-out-tokens") { Description = $"Held-out tokens at most [default: {Plain.MaxHeldOutTokens}]" };
    private readonly Option<int?> _minTokens = new("--min-tokens") { Description = $"Fewest tokens of each set [default: {Plain.MinTokens}]" };
    private readonly Option<bool> _topUp = new("--top-up") { Description = "Where there is less calibration than there may be, the full model writes the rest itself." };
    private readonly Option<FileInfo?> _general = new("--general-text") { Description = "A text file for healing's general half [default: the model writes it itself]" };
    private readonly Option<string?> _memory = new("--memory") { Description = "What the job may take beside the model's weights: 2GB, 800MB … [default: what it needs]" };
    private readonly Option<int> _seed = new("--seed") { DefaultValueFactory = _ => 1, Description = "Same seed, same result." };
    private readonly Option<bool> _yield = new("--yield") { Description = "Run only when nothing else wants the processors." };
    private readonly Option<int> _threads = new("--threads") { Description = "Threads [default: the machine's processors]" };

    private readonly Option<int> _gpuLayers = ServeOptions.Layers();

    public void AddTo(Command command)
    {
        command.Add(_model);
        foreach (var option in new Option[]
        {
            _traffic, _budget, _output, _work, _search, _distance, _tokens, _healing, _grains, _keep, _only, _gate, _heldOut, _calibrationTokens, _heldOutTokens, _minTokens, _topUp, _general, _memory, _seed, _yield, _threads, _gpuLayers,
        }) command.Add(option);
    }

    public bool IsGiven(ParseResult parsed) => parsed.GetValue(_model) is not null;

    /// <summary>The request, and the dealt traffic in its work folder.</summary>
    /// <exception cref="UsageException">Something is missing or no such thing; the message says what.</exception>
    public PruneRequest Read(ParseResult parsed)
    {
        var model = parsed.GetValue(_model)!.FullName;
        var traffic = parsed.GetValue(_traffic)?.FullName ?? throw new UsageException("--traffic FILE.jsonl is missing: what is the model to be judged on?");
        var budget = PruneBudgetText.Parse(parsed.GetValue(_budget) ?? "") ?? throw new UsageException($"--budget {parsed.GetValue(_budget)}: expected {PruneBudgetText.Forms}.");
        var output = parsed.GetValue(_output)?.FullName ?? Path.ChangeExtension(model, ".lean.gguf");
        var work = parsed.GetValue(_work)?.FullName ?? output + ".work";
        var share = parsed.GetValue(_heldOut);
        if (share is not (> 0 and < 1)) throw new UsageException($"--held-out-share {share.ToString(CultureInfo.InvariantCulture)}: give a share above 0 and below 1.");
        var request = new PruneRequest
        {
            JobId = Path.GetFileNameWithoutExtension(output), ModelPath = model, OutputPath = output, WorkFolder = work, Budget = budget,
            CalibrationPath = Path.Combine(work, "calibration.jsonl"), HeldOutPath = Path.Combine(work, "held-out.jsonl"),
            Search = parsed.GetValue(_search) ?? Plain.Search, Distance = parsed.GetValue(_distance),
            DistanceTokens = parsed.GetValue(_tokens) ?? Plain.DistanceTokens, Healing = parsed.GetValue(_healing) ?? Plain.Healing,
            Grains = [.. Parts(parsed.GetValue(_grains)).Select(name => Named<PruneGrain>("--grains", name))],
            Keep = [.. Parts(parsed.GetValue(_keep))], Only = parsed.GetValue(_only) is { } kind ? Named<SublayerKind>("--only", kind) : null,
            Gate = Limits(parsed.GetValue(_gate) ?? []), TopUp = parsed.GetValue(_topUp), GeneralTextPath = parsed.GetValue(_general)?.FullName,
            MemoryBytes = parsed.GetValue(_memory) is { } memory ? PruneBudgetText.Bytes(memory) ?? throw new UsageException($"--memory {memory}: expected a size such as 800MB or 2GB.") : null,
            Seed = parsed.GetValue(_seed), Threads = parsed.GetValue(_threads), GpuLayers = parsed.GetValue(_gpuLayers), Yield = parsed.GetValue(_yield),
            MaxCalibrationTokens = parsed.GetValue(_calibrationTokens) ?? 0,
            MaxHeldOutTokens = parsed.GetValue(_heldOutTokens) ?? Plain.MaxHeldOutTokens,
            MinTokens = parsed.GetValue(_minTokens) ?? Plain.MinTokens,
        };

        // Told before anything is written.
        if (PruneRequestCheck.Check(request) is { Length: > 0 } defects) throw new UsageException(string.Join(' ', defects));
        Deal(traffic, request, share);
        return request;
    }

    /// <summary>Recorded text does not stay in the work folder: the same command deals it again.</summary>
    public static void Forget(PruneRequest request)
    {
        File.Delete(request.CalibrationPath);
        File.Delete(request.HeldOutPath);
    }

    private static void Deal(string traffic, PruneRequest request, double share)
    {
        IReadOnlyList<RecordedConversation> conversations;
        try
        {
            conversations = [.. RecordedTraffic.Lines(traffic).Select(item => item.Conversation)];
        }
        catch (TrafficException cause)
        {
            throw new UsageException(cause.Message);
        }

        var (calibration, heldOut) = TrafficDeal.Deal(conversations, request.Seed, share);
        Directory.CreateDirectory(request.WorkFolder);
        foreach (var (path, set) in new[] { (request.CalibrationPath, calibration), (request.HeldOutPath, heldOut) })
        {
            var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var file = new StreamWriter(path, options);
            foreach (var conversation in set) file.WriteLine(JsonSerializer.Serialize(conversation, ContractJson.Default.RecordedConversation));
        }
    }

    private static GateThresholds Limits(string[] pairs)
    {
        var limits = new GateThresholds();
        foreach (var pair in pairs)
        {
            var cut = pair.IndexOf('=', StringComparison.Ordinal);
            if (cut < 0 || !double.TryParse(pair.AsSpan(cut + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)) throw new UsageException($"--gate {pair}: expected NAME=VALUE.");
            limits = pair[..cut] switch
            {
                "max_mean_kl" => limits with { MaxMeanKl = value },
                "min_top1_agreement" => limits with { MinTop1Agreement = value },
                "max_answer_nll_increase" => limits with { MaxAnswerNllIncrease = value },
                "max_general_nll_increase" => limits with { MaxGeneralNllIncrease = value },
                "min_common_prefix" => limits with { MinCommonPrefix = value },
                "confidence" => limits with { Confidence = value },
                _ => throw new UsageException($"--gate {pair}: expected max_mean_kl, min_top1_agreement, max_answer_nll_increase, max_general_nll_increase, min_common_prefix or confidence."),
            };
        }

        return limits;
    }

    private static string[] Parts(string? text) => (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static Option<T?> Word<T>(string name, T otherwise, string description)
        where T : struct, Enum => new(name)
        {
            Description = $"{description} {string.Join(", ", Enum.GetValues<T>().Select(Spelled))} [default: {Spelled(otherwise)}]",
            HelpName = name[2..],
            CustomParser = result =>
            {
                var (word, words) = (result.Tokens[0].Value, Enum.GetValues<T>().Select(Spelled).ToArray());
                if (Enum.GetValues<T>().Where(value => Spelled(value) == word).ToArray() is [var found]) return found;
                result.AddError($"{name} {word}: expected {string.Join(", ", words)}{(NearestName.To(word, words) is { } nearest ? $"; did you mean {nearest}?" : ".")}");
                return null;
            },
        };

    private static T Named<T>(string option, string name)
        where T : struct, Enum => Enum.GetValues<T>().Where(value => Spelled(value) == name).ToArray() is [var found]
            ? found
            : throw new UsageException($"{option} {name}: expected {string.Join(", ", Enum.GetValues<T>().Select(Spelled))}.");

    private static string Spelled<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
