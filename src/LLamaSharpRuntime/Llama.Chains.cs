using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>Chains of samplers, link by link.</summary>
internal static unsafe partial class Llama
{
    internal static SamplerHandle NewChain(ModelHandle model) => SamplerHandle.Create(LLamaSamplerChainParams.Default());

    /// <summary>Null where the library refuses the grammar: LLamaSharp's AddGrammar would put nothing into the chain, and applying that ends the process.</summary>
    internal static SamplerHandle? NewGrammar(ModelHandle model, string grammar, string root)
    {
        var sampler = InitGrammar(ModelGetVocab(model), grammar, root);
        if (sampler == 0) return null;
        var chain = NewChain(model);
        Add(chain, sampler);
        return chain;
    }

    internal static void SamplerApply(SamplerHandle sampler, LlamaTokenDataArray* candidates) =>
        sampler.Apply(ref Unsafe.AsRef<LLamaTokenDataArrayNative>(candidates)); // the same struct: AbiCheck

    internal static void SamplerAccept(SamplerHandle sampler, int token) => sampler.Accept(token);

    internal static void AddGreedy(SamplerHandle chain) => chain.AddGreedySampler();

    internal static void AddDist(SamplerHandle chain, uint seed) => chain.AddDistributionSampler(seed);

    internal static void AddTopK(SamplerHandle chain, int k) => chain.AddTopK(k);

    internal static void AddTopP(SamplerHandle chain, float p) => chain.AddTopP(p, 1);

    internal static void AddMinP(SamplerHandle chain, float p) => chain.AddMinP(p, 1);

    internal static void AddTypical(SamplerHandle chain, float p) => chain.AddTypical(p, 1);

    internal static void AddTemperature(SamplerHandle chain, float temperature) => chain.AddTemperature(temperature);

    internal static void AddTemperature(SamplerHandle chain, float temperature, float delta, float exponent) => chain.AddDynamicTemperature(temperature, delta, exponent);

    internal static void AddXtc(SamplerHandle chain, float probability, float threshold, uint seed) => chain.AddXTC(probability, threshold, 1, seed);

    internal static void AddTopNSigma(SamplerHandle chain, float n) => chain.AddTopNSigma(n);

    internal static void AddMirostat(SamplerHandle chain, int vocabularySize, uint seed, float tau, float eta, int window) =>
        chain.AddMirostat1Sampler(vocabularySize, seed, tau, eta, window);

    internal static void AddMirostatV2(SamplerHandle chain, uint seed, float tau, float eta) => chain.AddMirostat2Sampler(seed, tau, eta);

    internal static void AddPenalties(SamplerHandle chain, int vocabularySize, int lastN, float repeat, float frequency, float presence) =>
        chain.AddPenalties(lastN, repeat, frequency, presence);

    internal static void AddLogitBias(SamplerHandle chain, int vocabularySize, ReadOnlySpan<LlamaLogitBias> biases) =>
        chain.AddLogitBias(vocabularySize, MemoryMarshal.Cast<LlamaLogitBias, LLamaLogitBias>(biases).ToArray());

    /// <param name="lastN">Tokens of history that it looks at.</param>
    internal static void AddDry(SamplerHandle chain, ModelHandle model, SamplerOptions options, int lastN) => chain.AddDry(
        model,
        [.. options.DrySequenceBreakers.Where(text => text.Length > 0).Select(text => text + '\0')], // LLamaSharp hands the bytes on as they are, unterminated
        options.DryMultiplier,
        options.DryBase,
        options.DryAllowedLength,
        lastN);
}
