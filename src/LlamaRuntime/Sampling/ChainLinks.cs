using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Builds a chain in the order of llama.cpp's server: logit bias, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature,
/// then the draw. A link that would change nothing is left out; with none left and temperature 0 there is no chain, the largest logit wins.
/// </summary>
internal static unsafe class ChainLinks
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
        var words = model.Words;
        var links = new List<nint>();
        AddBias(links, options, words);
        if (options.Mirostat == 0) AddFilters(links, options, words, contextLength);
        if (options.Mirostat == 0 && options.Temperature == 0)
        {
            if (links.Count == 0) return null;
            links.Add(Llama.SamplerGreedy());
        }
        else if (options.Mirostat == 0)
        {
            links.Add(Llama.SamplerTemperatureExt(options.Temperature, options.DynamicTemperatureRange, options.DynamicTemperatureExponent));
            links.Add(Llama.SamplerDist(Seed(options)));
        }
        else
        {
            links.Add(Llama.SamplerTemperature(options.Temperature));
            links.Add(options.Mirostat == 1
                ? Llama.SamplerMirostat(words.Count, Seed(options), options.MirostatTau, options.MirostatEta, MirostatWindow)
                : Llama.SamplerMirostatV2(Seed(options), options.MirostatTau, options.MirostatEta));
        }

        var chain = new SamplerHandle(Llama.SamplerChainInit(Llama.SamplerChainDefaultParams()), model.Handle);
        foreach (var link in links) Llama.SamplerChainAdd(chain, link);
        return chain;
    }

    internal static SamplerHandle? Grammar(SamplerOptions options, LoadedModel model, NativeLog log)
    {
        if (options.Grammar is null) return null;
        if (!model.Words.HasTokenizer) throw new LlamaException(LlamaErrorCode.InvalidGrammar, "A grammar needs a tokenizer, and the model's file has none.");
        GbnfGrammar.Require(options.Grammar, options.GrammarRoot, text => model.Words.Tokenize(text, addSpecial: false, parseSpecial: true).Length == 1);
        var stamp = log.Stamp;
        var grammar = Llama.SamplerGrammar(model.Words.Address, options.Grammar, options.GrammarRoot);
        if (grammar != 0) return new SamplerHandle(grammar, model.Handle);
        var reason = log.ComplaintsSince(stamp);
        throw new LlamaException(
            LlamaErrorCode.InvalidGrammar,
            $"The grammar is not valid GBNF with a rule named \"{options.GrammarRoot}\"{(reason.Length == 0 ? "." : ": " + reason)}");
    }

    private static void AddBias(List<nint> links, SamplerOptions options, Vocabulary words)
    {
        var biases = new List<LlamaLogitBias>();
        foreach (var (token, bias) in options.LogitBias ?? new Dictionary<int, float>()) biases.Add(new LlamaLogitBias { Token = token, Bias = bias });
        foreach (var token in words.SuppressedTokens()) biases.Add(new LlamaLogitBias { Token = token, Bias = float.NegativeInfinity });
        if (biases.Count == 0) return;
        fixed (LlamaLogitBias* first = biases.ToArray()) links.Add(Llama.SamplerLogitBias(words.Count, biases.Count, first));
    }

    private static void AddFilters(List<nint> links, SamplerOptions options, Vocabulary words, int contextLength)
    {
        var lastN = options.PenaltyLastN < 0 ? contextLength : options.PenaltyLastN;
        if (lastN > 0 && (options.RepeatPenalty != 1 || options.FrequencyPenalty != 0 || options.PresencePenalty != 0))
            links.Add(Llama.SamplerPenalties(words.Count, lastN, options.RepeatPenalty, options.FrequencyPenalty, options.PresencePenalty));
        if (options.DryMultiplier != 0 && options.DryPenaltyLastN != 0) links.Add(Dry(options, words, contextLength));
        if (options.Temperature == 0) return; // the largest logit stays the largest, whatever the filters below keep
        if (options.TopNSigma > 0) links.Add(Llama.SamplerTopNSigma(options.TopNSigma));
        if (options.TopK > 0) links.Add(Llama.SamplerTopK(options.TopK));
        if (options.TypicalP < 1) links.Add(Llama.SamplerTypical(options.TypicalP, 1));
        if (options.TopP < 1) links.Add(Llama.SamplerTopP(options.TopP, 1));
        if (options.MinP > 0) links.Add(Llama.SamplerMinP(options.MinP, 1));
        if (options.XtcProbability > 0) links.Add(Llama.SamplerXtc(options.XtcProbability, options.XtcThreshold, 1, Seed(options)));
    }

    /// <summary>libllama takes the largest number for "draw a seed": nothing here is random without its seed, so it stands for its neighbour.</summary>
    private static uint Seed(SamplerOptions options) => Math.Min(options.Seed, uint.MaxValue - 1);

    private static nint Dry(SamplerOptions options, Vocabulary words, int contextLength)
    {
        var texts = options.DrySequenceBreakers.Where(text => text.Length > 0).Select(text => Encoding.UTF8.GetBytes(text + '\0')).ToArray();
        var block = new byte[texts.Sum(text => text.Length) + 1];
        var pointers = new nint[texts.Length + 1];
        fixed (byte* bytes = block)
        fixed (nint* addresses = pointers)
        {
            var offset = 0;
            for (var i = 0; i < texts.Length; i++)
            {
                texts[i].CopyTo(block, offset);
                pointers[i] = (nint)(bytes + offset);
                offset += texts[i].Length;
            }

            return Llama.SamplerDry(
                words.Address, options.DryMultiplier, options.DryBase, options.DryAllowedLength,
                options.DryPenaltyLastN < 0 ? contextLength : options.DryPenaltyLastN, (byte**)addresses, (nuint)texts.Length);
        }
    }
}
