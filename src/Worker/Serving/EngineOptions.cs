using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;

namespace FinerCut.Worker.Serving;

/// <summary>The options of <c>serve</c> about adapters, speculation, saved sequences, context shift and sleep: llama-server's names.</summary>
internal sealed class EngineOptions
{
    private const string NoSpeculation = "none";
    private const string Lookup = "ngram-simple";
    private const string Draft = "draft-simple";

    private readonly Option<string[]> _lora = new("--lora") { Description = "LoRA adapters (GGUF), by comma.", AllowMultipleArgumentsPerToken = false };
    private readonly Option<string[]> _loraScaled = new("--lora-scaled") { Description = "LoRA adapters with their strength: FILE:0.5, by comma." };
    private readonly Option<bool> _loraUnused = new("--lora-init-without-apply") { Description = "Load adapters with strength 0, for requests that name one." };
    private readonly Option<string> _speculation = new("--spec-type") { Description = $"What guesses answers ahead: {NoSpeculation}, {Lookup} (prompt lookup) or {Draft} (--model-draft) [{NoSpeculation}, or {Draft} with a draft model]" };
    private readonly Option<FileInfo> _draftModel = new("--model-draft", "-md", "--spec-draft-model") { Description = "A smaller GGUF with the same vocabulary, which guesses ahead." };
    private readonly Option<int> _most = ServeOptions.Whole("--draft-max", 3, 1, 64, "Most tokens guessed at once.", "--draft", "--draft-n", "--spec-draft-n-max");
    private readonly Option<double> _least = new("--draft-p-min", "--spec-draft-p-min") { Description = "Probability below which a draft model's guess is not taken up [default: 0]" };
    private readonly Option<int> _draftLayers = ServeOptions.Whole("--n-gpu-layers-draft", 0, -1, 1 << 16, "Layers of the draft model on the GPU; -1 = all.", "-ngld", "--gpu-layers-draft", "--spec-draft-ngl");
    private readonly Option<int> _ngram = ServeOptions.Whole("--spec-ngram-simple-size-n", 12, 1, 1024, "Tokens that prompt lookup looks for.", "--spec-ngram-size-n");
    private readonly Option<int> _lookupMost = ServeOptions.Whole("--spec-ngram-simple-size-m", 48, 1, 64, "Most tokens that prompt lookup guesses at once.", "--spec-ngram-size-m");
    private readonly Option<DirectoryInfo> _slots = new("--slot-save-path") { Description = "Folder in which sequences are saved (/slots)." };
    private readonly Option<bool> _shift = new("--context-shift") { Description = "Where an answer outgrows its context, forget the middle instead of ending it." };
    private readonly Option<bool> _noShift = new("--no-context-shift") { Hidden = true };
    private readonly Option<int> _keep = ServeOptions.Whole("--keep", 0, -1, 1 << 24, "Tokens at the beginning that stay then; -1 = the prompt.");
    private readonly Option<int> _sleep = new("--sleep-idle-seconds") { Description = "Unload the model after so many seconds without a request, until the next one; -1 = never [default: -1]", DefaultValueFactory = _ => -1 };

    public IEnumerable<Option> All =>
        [_lora, _loraScaled, _loraUnused, _speculation, _draftModel, _most, _least, _draftLayers, _ngram, _lookupMost, _slots, _shift, _noShift, _keep, _sleep];

    public void AddValidators()
    {
        _loraScaled.Validators.Add(result =>
        {
            foreach (var item in Items(result.Tokens.Select(token => token.Value)))
            {
                if (Scaled(item) is null) result.AddError($"--lora-scaled takes FILE:STRENGTH, not {item}.");
            }
        });
        _speculation.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && result.Tokens[0].Value is not (NoSpeculation or Lookup or Draft))
                result.AddError($"--spec-type must be one of {NoSpeculation}, {Lookup}, {Draft}, not {result.Tokens[0].Value}.");
        });
        _least.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && double.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var given) && given is not (>= 0 and <= 1))
                result.AddError("--draft-p-min must be from 0 to 1.");
        });
        _sleep.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var given) && (given == 0 || given < -1)) result.AddError("--sleep-idle-seconds must be -1, or 1 and more.");
        });
        _slots.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !Directory.Exists(result.Tokens[0].Value)) result.AddError($"--slot-save-path: there is no folder {result.Tokens[0].Value}.");
        });
        _draftModel.Validators.Add(ServeOptions.Exists);
    }

    /// <exception cref="IOException">An adapter is missing, or a draft model is asked for and not named.</exception>
    public EngineConfig Bind(ParseResult parsed)
    {
        var strength = parsed.GetValue(_loraUnused) ? 0 : 1;
        ImmutableArray<(string Path, float Scale)> adapters =
        [
            .. Items(parsed.GetValue(_lora) ?? []).Select(path => (Path.GetFullPath(path), (float)strength)),
            .. Items(parsed.GetValue(_loraScaled) ?? []).Select(item => Scaled(item)!.Value).Select(entry => (Path.GetFullPath(entry.Path), entry.Scale * strength)),
        ];
        foreach (var (path, _) in adapters)
        {
            if (!File.Exists(path)) throw new FileNotFoundException($"--lora: {path} does not exist.");
        }

        var sleep = parsed.GetValue(_sleep);
        return new EngineConfig(
            adapters, parsed.GetValue(_slots)?.FullName, parsed.GetValue(_shift) && !parsed.GetValue(_noShift), parsed.GetValue(_keep), sleep < 0 ? null : TimeSpan.FromSeconds(sleep))
        { Speculation = Speculation(parsed) };
    }

    private SpeculationConfig? Speculation(ParseResult parsed)
    {
        var draft = parsed.GetValue(_draftModel)?.FullName;
        var kind = parsed.GetValue(_speculation) ?? (draft is null ? NoSpeculation : Draft);
        if (kind == NoSpeculation) return null;
        if (kind == Draft && draft is null) throw new FileNotFoundException($"--spec-type {Draft} needs --model-draft.");
        return new SpeculationConfig(
            kind == Draft ? draft : null, parsed.GetValue(_draftLayers), kind == Draft ? parsed.GetValue(_most) : parsed.GetValue(_lookupMost), (float)parsed.GetValue(_least), parsed.GetValue(_ngram));
    }

    private static IEnumerable<string> Items(IEnumerable<string> values) =>
        values.SelectMany(value => value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static (string Path, float Scale)? Scaled(string item)
    {
        var at = item.LastIndexOf(':');
        return at > 0 && float.TryParse(item.AsSpan(at + 1), CultureInfo.InvariantCulture, out var scale) && float.IsFinite(scale) ? (item[..at], scale) : null;
    }
}
