using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>Chains of samplers, link by link.</summary>
internal static unsafe partial class Llama
{
    internal static SamplerHandle NewChain(ModelHandle model) => new(InitChain(SamplerChainDefaultParams()), model);

    /// <summary>Null where the library refuses the grammar.</summary>
    internal static SamplerHandle? NewGrammar(ModelHandle model, string grammar, string root)
    {
        var sampler = InitGrammar(ModelGetVocab(model), grammar, root);
        return sampler == 0 ? null : new SamplerHandle(sampler, model);
    }

    internal static void AddGreedy(SamplerHandle chain) => Add(chain, InitGreedy());

    internal static void AddDist(SamplerHandle chain, uint seed) => Add(chain, InitDist(seed));

    internal static void AddTopK(SamplerHandle chain, int k) => Add(chain, InitTopK(k));

    internal static void AddTopP(SamplerHandle chain, float p) => Add(chain, InitTopP(p, 1));

    internal static void AddMinP(SamplerHandle chain, float p) => Add(chain, InitMinP(p, 1));

    internal static void AddTypical(SamplerHandle chain, float p) => Add(chain, InitTypical(p, 1));

    internal static void AddTemperature(SamplerHandle chain, float temperature) => Add(chain, InitTemperature(temperature));

    internal static void AddTemperature(SamplerHandle chain, float temperature, float delta, float exponent) =>
        Add(chain, InitTemperatureExt(temperature, delta, exponent));

    internal static void AddXtc(SamplerHandle chain, float probability, float threshold, uint seed) => Add(chain, InitXtc(probability, threshold, 1, seed));

    internal static void AddTopNSigma(SamplerHandle chain, float n) => Add(chain, InitTopNSigma(n));

    internal static void AddMirostat(SamplerHandle chain, int vocabularySize, uint seed, float tau, float eta, int window) =>
        Add(chain, InitMirostat(vocabularySize, seed, tau, eta, window));

    internal static void AddMirostatV2(SamplerHandle chain, uint seed, float tau, float eta) => Add(chain, InitMirostatV2(seed, tau, eta));

    internal static void AddPenalties(SamplerHandle chain, int vocabularySize, int lastN, float repeat, float frequency, float presence) =>
        Add(chain, InitPenalties(vocabularySize, lastN, repeat, frequency, presence));

    internal static void AddLogitBias(SamplerHandle chain, int vocabularySize, ReadOnlySpan<LlamaLogitBias> biases)
    {
        fixed (LlamaLogitBias* first = biases) Add(chain, InitLogitBias(vocabularySize, biases.Length, first));
    }

    /// <param name="lastN">Tokens of history that it looks at.</param>
    internal static void AddDry(SamplerHandle chain, ModelHandle model, SamplerOptions options, int lastN)
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

            Add(chain, InitDry(
                ModelGetVocab(model), options.DryMultiplier, options.DryBase, options.DryAllowedLength, lastN, (byte**)addresses, (nuint)texts.Length));
        }
    }
}
