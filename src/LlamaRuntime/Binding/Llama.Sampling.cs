using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>libllama's samplers. A chain owns and frees what is added to it.</summary>
internal static unsafe partial class Llama
{
    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_default_params")]
    internal static partial LlamaSamplerChainParams SamplerChainDefaultParams();

    [LibraryImport(Library, EntryPoint = "llama_sampler_chain_init")]
    private static partial nint InitChain(LlamaSamplerChainParams parameters);

    [LibraryImport(Library, EntryPoint = "llama_sampler_free")]
    internal static partial void SamplerFree(nint sampler);

    [LibraryImport(Library, EntryPoint = "llama_sampler_apply")]
    internal static partial void SamplerApply(SamplerHandle sampler, LlamaTokenDataArray* candidates);

    [LibraryImport(Library, EntryPoint = "llama_sampler_accept")]
    internal static partial void SamplerAccept(SamplerHandle sampler, int token);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_greedy")]
    private static partial nint InitGreedy();

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_dist")]
    private static partial nint InitDist(uint seed);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_k")]
    private static partial nint InitTopK(int k);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_p")]
    private static partial nint InitTopP(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_min_p")]
    private static partial nint InitMinP(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_typical")]
    private static partial nint InitTypical(float p, nuint minKeep);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_temp")]
    private static partial nint InitTemperature(float temperature);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_temp_ext")]
    private static partial nint InitTemperatureExt(float temperature, float delta, float exponent);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_xtc")]
    private static partial nint InitXtc(float probability, float threshold, nuint minKeep, uint seed);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_top_n_sigma")]
    private static partial nint InitTopNSigma(float n);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_mirostat")]
    private static partial nint InitMirostat(int vocabularySize, uint seed, float tau, float eta, int m);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_mirostat_v2")]
    private static partial nint InitMirostatV2(uint seed, float tau, float eta);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_penalties")]
    private static partial nint InitPenalties(int vocabularySize, int lastN, float repeat, float frequency, float presence);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_dry")]
    private static partial nint InitDry(nint vocab, float multiplier, float @base, int allowedLength, int lastN, byte** breakers, nuint breakerCount);

    [LibraryImport(Library, EntryPoint = "llama_sampler_init_logit_bias")]
    private static partial nint InitLogitBias(int vocabularySize, int count, LlamaLogitBias* biases);
}
