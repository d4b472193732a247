using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>libllama's samplers. A chain owns and frees what is added to it.</summary>
internal static unsafe partial class Llama
{
    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_default_params")]
    internal static partial LlamaSamplerChainParams SamplerChainDefaultParams();

    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_init")]
    internal static partial nint SamplerChainInit(LlamaSamplerChainParams parameters);

    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_add")]
    internal static partial void SamplerChainAdd(SamplerHandle chain, nint sampler);

    [LibraryImport(Library, EntryPoint = "llama_sampler_free")]
    internal static partial void SamplerFree(nint sampler);

    [LibraryImport(Library, EntryPoint = "llama_sampler_apply")]
    internal static partial void SamplerApply(SamplerHandle sampler, LlamaTokenDataArray* candidates);

    [LibraryImport(Library, EntryPoint = "llama_sampler_accept")]
    internal static partial void SamplerAccept(SamplerHandle sampler, int token);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_greedy")]
    internal static partial nint SamplerGreedy();

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_dist")]
    internal static partial nint SamplerDist(uint seed);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_k")]
    internal static partial nint SamplerTopK(int k);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_p")]
    internal static partial nint SamplerTopP(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_min_p")]
    internal static partial nint SamplerMinP(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_typical")]
    internal static partial nint SamplerTypical(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_temp")]
    internal static partial nint SamplerTemperature(float temperature);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_temp_ext")]
    internal static partial nint SamplerTemperatureExt(float temperature, float delta, float exponent);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_xtc")]
    internal static partial nint SamplerXtc(float probability, float threshold, nuint minKeep, uint seed);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_n_sigma")]
    internal static partial nint SamplerTopNSigma(float n);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_mirostat")]
    internal static partial nint SamplerMirostat(int vocabularySize, uint seed, float tau, float eta, int m);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_mirostat_v2")]
    internal static partial nint SamplerMirostatV2(uint seed, float tau, float eta);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_grammar", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint SamplerGrammar(nint vocab, string grammar, string root);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_penalties")]
    internal static partial nint SamplerPenalties(int vocabularySize, int lastN, float repeat, float frequency, float presence);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_dry")]
    internal static partial nint SamplerDry(nint vocab, float multiplier, float @base, int allowedLength, int lastN, byte** breakers, nuint breakerCount);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_logit_bias")]
    internal static partial nint SamplerLogitBias(int vocabularySize, int count, LlamaLogitBias* biases);
}
