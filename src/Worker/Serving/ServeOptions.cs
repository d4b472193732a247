using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using FinerCut.Gguf;
using FinerCut.Runtime;

namespace FinerCut.Worker.Serving;

/// <summary>The options of <c>serve</c>: llama-server's names where they mean the same.</summary>
internal sealed class ServeOptions
{
    private const long LargestRead = 1L << 30;

    private readonly Option<string> _model = new("--model", "-m") { Required = true, Description = "The GGUF file." };
    private readonly Option<string> _alias = new("--alias", "-a") { Description = "Model id that clients see, or several by comma; default: the file's name." };
    private readonly Option<string> _version = new("--version-id") { Description = "Sent with every answer as x-finercut-version; default: the file's name." };
    private readonly Option<string> _host = new("--host") { Description = "IP address to listen on, or localhost.", DefaultValueFactory = _ => "127.0.0.1" };
    private readonly Option<int> _port = Whole("--port", 8080, 0, 65535, "Port to listen on; 0 = any free one.");
    private readonly Option<int> _context = Whole("--ctx-size", 0, 0, 1 << 24, $"Tokens of KV memory, all requests together; 0 = the model's own context, at most {ServeConfig.LargestDefaultContext}.", "-c");
    private readonly Option<int> _parallel = Whole("--parallel", 4, 1, 128, "Requests computed at once.", "-np");
    private readonly Option<int> _queue = Whole("--queue", 64, 0, 100_000, "Requests that may wait beyond those.");
    private readonly Option<int> _kept = Whole("--kept-prefixes", 16, 0, 128, "Finished requests whose prefix stays in KV memory.");
    private readonly Option<int> _batch = Whole("--batch-size", 2048, 1, 1 << 20, "Most tokens of one decode.", "-b");
    private readonly Option<int> _microBatch = Whole("--ubatch-size", 512, 1, 1 << 20, "Most tokens computed at once.", "-ub");
    private readonly Option<int> _chunk = Whole("--prefill-chunk", 128, 1, 1 << 20, "Most prompt tokens of a step in which another request is answered.");
    private readonly Option<int> _threads = Whole("--threads", 0, -1, 1024, "Threads for answers; 0 = the machine's processors.", "-t");
    private readonly Option<int> _batchThreads = Whole("--threads-batch", 0, -1, 1024, "Threads for prompts; 0 = as --threads.", "-tb");
    private readonly Option<int> _gpuLayers = Layers();
    private readonly Option<string> _split = Word("--split-mode", "layer", ["none", "layer", "row"], "How several GPUs share the model: not, by layers, or rows of each.", "-sm");
    private readonly Option<int> _mainGpu = Whole("--main-gpu", 0, 0, 255, "The GPU that has all with --split-mode none, and what is not split with row.", "-mg");
    private readonly Option<string> _flash = Word("--flash-attn", "auto", ["auto", "on", "off", "1", "0"], "Flash attention.", "-fa");
    private readonly Option<string> _cacheK = Word("--cache-type-k", "f16", ["f32", "f16", "q8_0", "q4_0"], "Type of the keys in KV memory.", "-ctk");
    private readonly Option<string> _cacheV = Word("--cache-type-v", "f16", ["f32", "f16", "q8_0", "q4_0"], "Type of the values in KV memory.", "-ctv");
    private readonly Option<string> _apiKey = new("--api-key") { Description = "Keys that clients must send one of, by comma; default: LLAMA_API_KEY." };
    private readonly Option<FileInfo> _apiKeyFile = new("--api-key-file") { Description = "File with one key a line." };
    private readonly Option<string> _keyWeights = new("--api-key-weights") { Description = "Weights of the keys in their order, by comma: prompts of a key of weight 2 are taken as if half as long. Default: all 1." };
    private readonly Option<long> _seed = new("--seed", "-s") { Description = "Seed of requests that bring none; -1 = random.", DefaultValueFactory = _ => -1 };
    private readonly Option<bool> _mlock = new("--mlock") { Description = "Keep the weights out of swap." };
    private readonly Option<bool> _mmap = new("--mmap") { Description = "Map the model's file, whatever its size." };
    private readonly Option<bool> _noMmap = new("--no-mmap") { Description = "Read the model's file instead of mapping it, whatever its size. Default: up to 1 GiB is read, since memory of its own can have large pages." };
    private readonly Option<bool> _noRepack = new("--no-repack", "-nr") { Description = "Leave weights as they lie in the file." };
    private readonly Option<FileInfo> _template = new("--chat-template-file") { Description = "Jinja to use instead of the file's own chat template." };
    private readonly Option<int> _drain = Whole("--drain-seconds", 30, 0, 3600, "How long requests may go on after SIGTERM.");
    private readonly Option<int> _maxBody = Whole("--max-body-mb", 16, 1, 2000, "Largest request body in MiB.");
    private readonly Option<bool> _embeddings = new("--embeddings", "--embedding") { Description = "Serve /v1/embeddings instead of answers." };
    private readonly Option<string> _pooling = Word("--pooling", "unspecified", ["unspecified", "none", "mean", "cls", "last", "rank"], "How tokens become one embedding; unspecified = the model's own way.", "--pooling-type");
    private readonly Option<bool> _supervised = new("--supervised") { Description = "Own process group; ends as soon as standard input does." };

    private readonly Option<bool> _rerank = new("--reranking", "--rerank") { Description = "As --embeddings --pooling rank." };
    private readonly EngineOptions _engine = new();

    /// <summary>llama-server's options that ask for what is always so here, or (--no-warmup) spare what takes two tokens.</summary>
    private readonly Option<bool>[] _always =
    [
        new("--jinja"), new("--metrics"), new("--cont-batching", "-cb"), new("--kv-unified", "-kvu"), new("--no-webui", "--no-ui"), new("--slots"), new("--offline"), new("--no-warmup"), new("--warmup"), new("--props"), new("--perf"),
    ];

    private IEnumerable<Option> All =>
    [
        _model, _alias, _version, _host, _port, _context, _parallel, _queue, _kept, _batch, _microBatch, _chunk, _threads, _batchThreads, _gpuLayers, _split, _mainGpu, _flash, _cacheK,
        _cacheV, _apiKey, _apiKeyFile, _keyWeights, _seed, _mlock, _mmap, _noMmap, _noRepack, _template, _drain, _maxBody, _embeddings, _pooling, _rerank, _supervised, .. _engine.All, .. _always,
    ];

    public void AddTo(Command command)
    {
        foreach (var option in _always)
        {
            option.Hidden = true;
            option.Arity = ArgumentArity.ZeroOrOne;
        }

        _host.Validators.Add(result =>
        {
            if (Address(result.GetValueOrDefault<string>()) is null) result.AddError("--host must be an IP address or localhost.");
        });
        _seed.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<long>() is < -1 or > uint.MaxValue) result.AddError($"--seed must be from -1 to {uint.MaxValue}.");
        });
        _engine.AddValidators();
        _keyWeights.Validators.Add(result =>
        {
            foreach (var item in Split(result.GetValueOrDefault<string>()))
            {
                if (!double.TryParse(item, CultureInfo.InvariantCulture, out var weight) || weight is not (>= 0.01 and <= 1000)) result.AddError($"--api-key-weights takes numbers from 0.01 to 1000, not {item}.");
            }
        });
        _template.Validators.Add(Exists);
        _apiKeyFile.Validators.Add(Exists);
        foreach (var option in All) command.Options.Add(option);
    }

    /// <summary>Whether reading the file costs little and sharing it would save little. Parts of a split model are not looked at one by one.</summary>
    private static bool IsSmall(string path) => new FileInfo(path) is { Exists: true, Length: <= LargestRead } && GgufShardName.TryOf(path) is null;

    public ServeConfig Bind(ParseResult parsed)
    {
        var path = Path.GetFullPath(parsed.GetRequiredValue(_model));
        var file = Path.GetFileName(path);
        var seed = parsed.GetValue(_seed);
        return new ServeConfig
        {
            Model = new ModelOptions
            {
                Path = path,
                GpuLayers = parsed.GetValue(_gpuLayers),
                SplitMode = Enum.Parse<SplitMode>(parsed.GetValue(_split)!, ignoreCase: true),
                MainGpu = parsed.GetValue(_mainGpu),
                UseMlock = parsed.GetValue(_mlock),
                UseMmap = parsed.GetValue(_mmap) || !(parsed.GetValue(_noMmap) || IsSmall(path)),
                Repack = !parsed.GetValue(_noRepack),
            },
            Session = new Runtime.SessionOptions
            {
                ContextLength = parsed.GetValue(_context),
                BatchSize = Math.Max(parsed.GetValue(_batch), parsed.GetValue(_parallel)),
                MicroBatchSize = Math.Max(parsed.GetValue(_microBatch), parsed.GetValue(_parallel)),
                Threads = Math.Max(0, parsed.GetValue(_threads)),
                BatchThreads = Math.Max(0, parsed.GetValue(_batchThreads)),
                KeyType = Cache(parsed.GetValue(_cacheK)),
                ValueType = Cache(parsed.GetValue(_cacheV)),
                Embeddings = parsed.GetValue(_embeddings) || parsed.GetValue(_rerank),
                Pooling = parsed.GetValue(_rerank) ? PoolingKind.Rank : Enum.Parse<PoolingKind>(parsed.GetValue(_pooling)!, ignoreCase: true),
                FlashAttention = parsed.GetValue(_flash) switch { "on" or "1" => FlashAttention.On, "off" or "0" => FlashAttention.Off, _ => FlashAttention.Auto },
            },
            Address = Address(parsed.GetValue(_host))!,
            Port = parsed.GetValue(_port),
            Aliases = Split(parsed.GetValue(_alias)) is { Length: > 0 } aliases ? aliases : [file],
            Version = parsed.GetValue(_version) ?? file,
            ApiKeys = Keys(parsed),
            KeyWeights = Weights(parsed),
            Parallel = parsed.GetValue(_parallel),
            QueueCapacity = parsed.GetValue(_queue),
            KeptSequences = parsed.GetValue(_kept),
            PrefillChunk = parsed.GetValue(_chunk),
            Seed = seed < 0 ? null : (uint)seed,
            ChatTemplateFile = parsed.GetValue(_template)?.FullName,
            DrainTime = TimeSpan.FromSeconds(parsed.GetValue(_drain)),
            MaxBodyBytes = (long)parsed.GetValue(_maxBody) << 20,
            Supervised = parsed.GetValue(_supervised),
            Engine = _engine.Bind(parsed),
        };
    }

    internal static Option<int> Layers() => Whole("--n-gpu-layers", 0, -1, 1 << 16, "Layers on the GPU; -1 = all, 0 = no GPU takes part.", "-ngl", "--gpu-layers");

    internal static Option<int> Whole(string name, int value, int least, int most, string description, params string[] aliases)
    {
        var option = new Option<int>(name, aliases) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var given) && (given < least || given > most))
                result.AddError($"{name} must be a whole number from {least} to {most}, not {given}.");
        });
        return option;
    }

    private static Option<string> Word(string name, string value, string[] allowed, string description, string alias)
    {
        var option = new Option<string>(name, alias) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !allowed.Contains(result.Tokens[0].Value))
                result.AddError($"{name} must be one of {string.Join(", ", allowed)}, not {result.Tokens[0].Value}.");
        });
        return option;
    }

    internal static void Exists(OptionResult result)
    {
        if (result.Tokens.Count == 1 && !File.Exists(result.Tokens[0].Value)) result.AddError($"{result.Option.Name}: {result.Tokens[0].Value} does not exist.");
    }

    private static IPAddress? Address(string? host) =>
        host is "localhost" ? IPAddress.Loopback : IPAddress.TryParse(host, out var address) ? address : null;

    private static KvType Cache(string? name) => name switch { "f32" => KvType.F32, "q8_0" => KvType.Q8_0, "q4_0" => KvType.Q4_0, _ => KvType.F16 };

    private ImmutableArray<string> Keys(ParseResult parsed)
    {
        var given = Split(parsed.GetValue(_apiKey) ?? Environment.GetEnvironmentVariable("LLAMA_API_KEY"));
        return parsed.GetValue(_apiKeyFile) is { } file
            ? [.. given, .. File.ReadLines(file.FullName).Select(line => line.Trim()).Where(line => line.Length > 0)]
            : given;
    }

    /// <exception cref="IOException">There are not as many as keys.</exception>
    private ImmutableArray<double> Weights(ParseResult parsed)
    {
        var weights = Split(parsed.GetValue(_keyWeights)).Select(item => double.Parse(item, CultureInfo.InvariantCulture)).ToImmutableArray();
        var keys = Keys(parsed).Length;
        return weights.Length == 0 || weights.Length == keys ? weights : throw new IOException($"--api-key-weights names {weights.Length} weights for {keys} keys.");
    }

    private static ImmutableArray<string> Split(string? list) =>
        list is null ? [] : [.. list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
}
