using System.Collections.Frozen;
using FinerCut.Gguf;

namespace FinerCut.Pruning.Shapes;

/// <summary>
/// What of an architecture depends on the numbers of its blocks (src/models/*.cpp of llama.cpp v0.5.0), and so bears on leaving whole blocks
/// out. Pure.
/// </summary>
internal sealed record DecoderRules
{
    private static readonly DecoderRules Alike = new();

    private static readonly FrozenDictionary<string, DecoderRules> Known = Table().ToFrozenDictionary();

    private static readonly FrozenDictionary<string, string> Refused = new Dictionary<string, string>
    {
        ["deepseek2"] = "llama.cpp tells its lite form by the number of blocks",
        ["mistral4"] = "llama.cpp tells its lite form by the number of blocks",
        ["minicpm3"] = "its residual scale follows the number of blocks, and no key holds it",
        ["minimax-01"] = "the decay of its linear attention follows the block's number",
        ["baichuan"] = "llama.cpp tells its position encoding by the number of blocks",
        ["gemma3n"] = "late blocks share the KV cache of numbered earlier ones",
        ["gemma4"] = "late blocks share the KV cache of numbered earlier ones",
        ["gemma4-assistant"] = "it shares the KV cache of another model's numbered blocks",
        ["deepseek4"] = "its first blocks route by hash and its streams are addressed by block number",
        ["qwen4exp"] = "its n-gram embeddings are tied to numbered blocks",
        ["kimi-k3"] = "its residual streams are addressed by block number",
        ["hy_v4"] = "its index attention is tied to numbered blocks",
        ["dots3note"] = "its index attention is tied to numbered blocks",
        ["nanbeige"] = "its blocks are run several times, by number",
        ["hrm_text"] = "its blocks are run several times, by number",
        ["graniteswitch"] = "its adapters are tied to numbered blocks",
        ["eagle3"] = "it is a draft model, tied to numbered blocks of another",
        ["dflash"] = "it is a draft model, tied to numbered blocks of another",
    }.ToFrozenDictionary();

    /// <summary>Blocks a period of attention.sliding_window_pattern where the file has no array of it; 0 = there is no such pattern.</summary>
    public int SlidingPeriod { get; init; }

    /// <summary>Whether the period begins with the block of global attention; else it ends with it.</summary>
    public bool GlobalFirst { get; init; }

    /// <summary>Blocks a period of attention.recurrent_layers, the last one of it with full attention, where the file has no array; 0 = no such blocks.</summary>
    public int RecurrentPeriod { get; init; }

    /// <summary>Blocks a period of something that no key can change, such as blocks without RoPE; 0 = nothing.</summary>
    public int Period { get; init; }

    /// <summary>Key that holds such a period.</summary>
    public string? PeriodKey { get; init; }

    /// <summary>Key that holds how many blocks at the beginning are addressed by number.</summary>
    public string? StayKey { get; init; }

    /// <summary>The same where no key says it.</summary>
    public int Stay { get; init; }

    /// <summary>Count of blocks from which llama.cpp takes the model for a certain one and computes differently; 0 = none.</summary>
    public int BlockCount { get; init; }

    /// <summary>residual_scale is 1.4 / √blocks where no key says it.</summary>
    public bool ResidualScale { get; init; }

    /// <summary>Whether a block is the other one of its period: the one of global or full attention, without RoPE, with experts.</summary>
    public bool IsSpecial(int block, int period) => (GlobalFirst ? block : block + 1) % period == 0;

    /// <exception cref="UnsupportedModelException">Blocks of the model cannot be left out; the message says why.</exception>
    public static DecoderRules Of(GgufModel model)
    {
        var architecture = model.Architecture!;
        var rules = Require(architecture);
        var blocks = model.GetInt32($"{architecture}.block_count") - model.GetInt32($"{architecture}.nextn_predict_layers", 0);
        return rules.BlockCount != 0 && blocks >= rules.BlockCount
            ? throw new UnsupportedModelException($"Models of the architecture {architecture} with {blocks} blocks cannot be pruned: llama.cpp takes them by that number for another size, and computes with another attention.")
            : rules;
    }

    /// <exception cref="UnsupportedModelException">Blocks of such models cannot be left out; the message says why.</exception>
    public static DecoderRules Require(string architecture) =>
        Refused.TryGetValue(architecture, out var reason) ? throw new UnsupportedModelException($"Models of the architecture {architecture} cannot be pruned: {reason}.")
        : Known.TryGetValue(architecture, out var rules) ? rules
        : throw new UnsupportedModelException(
            $"Models of the architecture {architecture} cannot be pruned: it is no decoder, or not known to this version; supported: {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}.");

    private static Dictionary<string, DecoderRules> Table()
    {
        var table = new Dictionary<string, DecoderRules>
        {
            ["afmoe"] = new() { SlidingPeriod = 4, Period = 4 },
            ["cohere2"] = new() { SlidingPeriod = 4 },
            ["cohere2moe"] = new() { SlidingPeriod = 4, GlobalFirst = true },
            ["ernie4_5-moe"] = new() { PeriodKey = "interleave_moe_layer_step" },
            ["exaone-moe"] = new() { SlidingPeriod = 4 },
            ["exaone4"] = new() { SlidingPeriod = 4, BlockCount = 64 },
            ["gemma2"] = new() { SlidingPeriod = 2, BlockCount = 46 },
            ["gemma3"] = new() { SlidingPeriod = 6, BlockCount = 62 },
            ["gpt-oss"] = new() { SlidingPeriod = 2 },
            ["laguna"] = new() { SlidingPeriod = 4, GlobalFirst = true },
            ["llama4"] = new() { SlidingPeriod = 4, Period = 4, PeriodKey = "interleave_moe_layer_step" },
            ["mellum"] = new() { SlidingPeriod = 4 },
            ["muse-glimmer"] = new() { SlidingPeriod = 4 },
            ["olmo2"] = new() { SlidingPeriod = 4 },
            ["plamo3"] = new() { SlidingPeriod = 8 },
            ["smallthinker"] = new() { SlidingPeriod = 4, GlobalFirst = true, Period = 4 },
            ["command-r"] = new() { BlockCount = 64 },
            ["minicpm"] = new() { ResidualScale = true },
            ["qwen3next"] = new() { RecurrentPeriod = 4 },
            ["qwen35"] = new() { RecurrentPeriod = 4 },
            ["qwen35moe"] = new() { RecurrentPeriod = 4 },
            ["smollm3"] = new() { Period = 4 },
            ["qwen3vl"] = new() { StayKey = "n_deepstack_layers" },
            ["qwen3vlmoe"] = new() { StayKey = "n_deepstack_layers" },
            ["rwkv6"] = new() { PeriodKey = "rescale_every_n_layers" },
            ["rwkv6qwen2"] = new() { PeriodKey = "rescale_every_n_layers" },
            ["rwkv7"] = new() { Stay = 1 },
            ["arwkv7"] = new() { Stay = 1 },
        };
        foreach (var architecture in (string[])
            [
                "llama", "mistral3", "granite", "granitemoe", "granitehybrid", "granite_swa", "deci", "openelm", "qwen2", "qwen3", "phi3", "falcon", "grok", "gpt2", "gptneox", "mpt", "starcoder", "refact", "bloom",
                "stablelm", "qwen", "qwen2moe", "qwen2vl", "qwen3moe", "phi2", "phimoe", "plamo", "plamo2", "codeshell", "orion", "internlm2",
                "gemma", "starcoder2", "mamba", "mamba2", "maple", "jamba", "falcon-h1", "xverse", "dbrx", "olmo", "olmoe", "arctic", "deepseek", "deepseek32",
                "chatglm", "glm4", "glm4moe", "glm-dsa", "bitnet", "jais", "jais2", "nemotron", "nemotron_h", "nemotron_h_moe", "exaone", "chameleon", "plm", "bailingmoe", "bailingmoe2",
                "bailingmoe3", "dots1", "arcee", "ernie4_5", "hunyuan-moe", "hunyuan-dense", "hunyuan_vl", "hy_v3", "lfm2", "lfm2moe", "dream", "llada", "llada-moe", "seed_oss", "grovemoe",
                "apertus", "minimax-m2", "minimax-m3", "cogvlm", "rnd1", "pangu-embedded", "paddleocr", "mimo2", "step35", "spark2_5", "maincoder", "kimi-linear", "talkie",
            ])
        {
            table.Add(architecture, Alike);
        }

        return table;
    }
}
