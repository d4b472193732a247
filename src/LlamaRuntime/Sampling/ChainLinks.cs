using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Builds a chain in the order of llama.cpp's server: logit bias, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature,
/// then the draw. A link that would change nothing is left out; with none left and temperature 0 there is no chain, the largest logit wins.
/// </summary>
internal static class ChainLinks
{
    private const int MaxHistory = 1 << 24;
    private const int MirostatWindow = 100;

    /// <exception cref="LlamaException">All refused options at once.</exception>
    internal static void Require(SamplerOptions options, int vocabularySize)
    {
        var faults = new List<string>();
        void In(string name, double value, double least, double most)
        {
            if (!(value >= least && value <= most)) faults.Add(FormattableString.Invariant($"{name} is {value}, allowed are {least} to {most}"));
        }

        In(nameof(options.Temperature), options.Temperature, 0, 1000);
        In(nameof(options.TopP), options.TopP, 0, 1);
        In(nameof(options.MinP), options.MinP, 0, 1);
        In(nameof(options.TypicalP), options.TypicalP, 0, 1);
        In(nameof(options.TopNSigma), options.TopNSigma, -1, 1000);
        In(nameof(options.XtcProbability), options.XtcProbability, 0, 1);
        In(nameof(options.XtcThreshold), options.XtcThreshold, 0, 1);
        In(nameof(options.DynamicTemperatureRange), options.DynamicTemperatureRange, 0, 1000);
        In(nameof(options.DynamicTemperatureExponent), options.DynamicTemperatureExponent, 0, 1000);
        In(nameof(options.PenaltyLastN), options.PenaltyLastN, -1, MaxHistory);
        In(nameof(options.RepeatPenalty), options.RepeatPenalty, 1e-3, 1000);
        In(nameof(options.FrequencyPenalty), options.FrequencyPenalty, -1000, 1000);
        In(nameof(options.PresencePenalty), options.PresencePenalty, -1000, 1000);
        In(nameof(options.DryMultiplier), options.DryMultiplier, 0, 1000);
        In(nameof(options.DryBase), options.DryBase, 0, 1000);
        In(nameof(options.DryAllowedLength), options.DryAllowedLength, 0, MaxHistory);
        In(nameof(options.DryPenaltyLastN), options.DryPenaltyLastN, -1, MaxHistory);
        In(nameof(options.Mirostat), options.Mirostat, 0, 2);
        In(nameof(options.MirostatTau), options.MirostatTau, 0, 1000);
        In(nameof(options.MirostatEta), options.MirostatEta, 0, 1000);
        foreach (var (token, bias) in options.LogitBias ?? new Dictionary<int, float>())
        {
            if ((uint)token >= (uint)vocabularySize) faults.Add($"{nameof(options.LogitBias)} names token {token}, allowed are 0 to {vocabularySize - 1}");
            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias)) faults.Add($"{nameof(options.LogitBias)} of token {token} is {bias}, a number or -infinity is expected");
        }

        if (faults.Count > 0) throw new LlamaException(LlamaErrorCode.InvalidOption, $"Sampler options are refused: {string.Join("; ", faults)}.");
    }

    internal static SamplerHandle? Build(SamplerOptions options, LoadedModel model, int contextLength)
    {
        var links = new List<Action<SamplerHandle>>();
        AddBias(links, options, model.Words);
        if (options.Mirostat == 0) AddFilters(links, options, model, contextLength);
        if (options.Mirostat == 0 && options.Temperature == 0)
        {
            if (links.Count == 0) return null;
            links.Add(Llama.AddGreedy);
        }
        else if (options.Mirostat == 0)
        {
            links.Add(chain => Llama.AddTemperature(chain, options.Temperature, options.DynamicTemperatureRange, options.DynamicTemperatureExponent));
            links.Add(chain => Llama.AddDist(chain, Seed(options)));
        }
        else
        {
            links.Add(chain => Llama.AddTemperature(chain, options.Temperature));
            if (options.Mirostat == 1) links.Add(chain => Llama.AddMirostat(chain, model.Words.Count, Seed(options), options.MirostatTau, options.MirostatEta, MirostatWindow));
            else links.Add(chain => Llama.AddMirostatV2(chain, Seed(options), options.MirostatTau, options.MirostatEta));
        }

        var made = Llama.NewChain(model.Handle);
        foreach (var add in links) add(made);
        return made;
    }

    internal static SamplerHandle? Grammar(SamplerOptions options, LoadedModel model, NativeLog log)
    {
        if (options.Grammar is null) return null;
        if (!model.Words.HasTokenizer) throw new LlamaException(LlamaErrorCode.InvalidGrammar, "A grammar needs a tokenizer, and the model's file has none.");
        GbnfGrammar.Require(options.Grammar, options.GrammarRoot, text => model.Words.Tokenize(text, addSpecial: false, parseSpecial: true).Length == 1);
        var stamp = log.Stamp;
        if (Llama.NewGrammar(model.Handle, options.Grammar, options.GrammarRoot) is { } grammar) return grammar;
        var reason = log.ComplaintsSince(stamp);
        throw new LlamaException(
            LlamaErrorCode.InvalidGrammar,
            $"The grammar is not valid GBNF with a rule named \"{options.GrammarRoot}\"{(reason.Length == 0 ? "." : ": " + reason)}");
    }

    private static void AddBias(List<Action<SamplerHandle>> links, SamplerOptions options, Vocabulary words)
    {
        var biases = new List<LlamaLogitBias>();
        foreach (var (token, bias) in options.LogitBias ?? new Dictionary<int, float>()) biases.Add(new LlamaLogitBias { Token = token, Bias = bias });
        foreach (var token in words.SuppressedTokens()) biases.Add(new LlamaLogitBias { Token = token, Bias = float.NegativeInfinity });
        if (biases.Count > 0) links.Add(chain => Llama.AddLogitBias(chain, words.Count, CollectionsMarshal.AsSpan(biases)));
    }

    private static void AddFilters(List<Action<SamplerHandle>> links, SamplerOptions options, LoadedModel model, int contextLength)
    {
        var lastN = options.PenaltyLastN < 0 ? contextLength : options.PenaltyLastN;
        if (lastN > 0 && (options.RepeatPenalty != 1 || options.FrequencyPenalty != 0 || options.PresencePenalty != 0))
            links.Add(chain => Llama.AddPenalties(chain, model.Words.Count, lastN, options.RepeatPenalty, options.FrequencyPenalty, options.PresencePenalty));
        if (options.DryMultiplier != 0 && options.DryPenaltyLastN != 0)
            links.Add(chain => Llama.AddDry(chain, model.Handle, options, options.DryPenaltyLastN < 0 ? contextLength : options.DryPenaltyLastN));
        if (options.Temperature == 0) return; // the largest logit stays the largest, whatever the filters below keep
        if (options.TopNSigma > 0) links.Add(chain => Llama.AddTopNSigma(chain, options.TopNSigma));
        if (options.TopK > 0) links.Add(chain => Llama.AddTopK(chain, options.TopK));
        if (options.TypicalP < 1) links.Add(chain => Llama.AddTypical(chain, options.TypicalP));
        if (options.TopP < 1) links.Add(chain => Llama.AddTopP(chain, options.TopP));
        if (options.MinP > 0) links.Add(chain => Llama.AddMinP(chain, options.MinP));
        if (options.XtcProbability > 0) links.Add(chain => Llama.AddXtc(chain, options.XtcProbability, options.XtcThreshold, Seed(options)));
    }

    /// <summary>libllama takes the largest number for "draw a seed": nothing here is random without its seed, so it stands for its neighbour.</summary>
    private static uint Seed(SamplerOptions options) => Math.Min(options.Seed, uint.MaxValue - 1);
}
