using FinerCut.Gguf;

namespace FinerCut.Pruning.Shapes;

/// <summary>
/// What lean files of a model look like: the architecture of llama.cpp v0.5.0 (src/models/*.cpp) that has per-layer head counts or FFN widths
/// and computes the same. Pure.
/// </summary>
/// <param name="Architecture">Of lean files whose blocks differ; null where there is none, and only whole blocks can go.</param>
/// <param name="FfnUnits">Whether FFN widths may differ as well as head counts.</param>
/// <param name="Heads">How Q and K rows are reordered for the lean architecture's RoPE.</param>
/// <param name="Reason">Why only whole blocks can go; empty otherwise.</param>
internal sealed record LeanForm(string? Architecture, bool FfnUnits, HeadOrder Heads, string Reason)
{
    /// <summary>
    /// Largest difference of a logit between the masked model and the file on the CPU. Reordered heads add up in another order, and 8-bit
    /// activations make steps of last bits: hundredths on logits of spread 5 to 10 (docs/pruning.md).
    /// </summary>
    public const double ReorderedTolerance = 0.5;

    private static readonly LeanForm Deci = new("deci", true, HeadOrder.Same, "");

    public double Tolerance => Heads != HeadOrder.Same ? ReorderedTolerance : 0;

    /// <exception cref="UnsupportedModelException">The architecture is not known, or its blocks depend on their numbers.</exception>
    public static LeanForm Of(GgufModel model)
    {
        var architecture = model.Architecture ?? throw new UnsupportedModelException("The file has no general.architecture: it is no model.");
        var form = architecture switch
        {
            "llama" => HasExperts(model) ? Step35(model, HeadOrder.NormToNeox) : Deci,
            "qwen3moe" => Step35(model, HeadOrder.Same),
            "granite" or "granitemoe" => Granite(model),
            "mistral3" => Mistral3(model),
            "qwen2" => Qwen2(model),
            "phi3" => Phi3(model),
            "qwen3" => Qwen3(model),
            _ => BlocksOnly($"{architecture} has no architecture beside it in llama.cpp whose blocks may differ"),
        };
        if (form.Architecture is null) DecoderRules.Of(model);
        return form.Architecture is not null && HeadProblem(model) is { } problem ? BlocksOnly(problem) : form;
    }

    private static LeanForm BlocksOnly(string reason) => new(null, false, HeadOrder.Same, reason);

    private static bool HasExperts(GgufModel model) => model.GetInt32($"{model.Architecture}.expert_count", 0) > 0;

    private static LeanForm Granite(GgufModel model)
    {
        var mapping = model.Find($"{model.Architecture}.deepstack_mapping");
        if (mapping is { IsArray: true } && mapping.GetIntegers().Any(index => index >= 0))
        {
            throw new UnsupportedModelException("granite.deepstack_mapping ties image features to numbered blocks; such a model cannot be pruned.");
        }

        var length = model.GetInt32($"{model.Architecture}.embedding_length") / (double)model.GetInt32($"{model.Architecture}.attention.head_count");
        var attention = Number(model, "attention.scale", 0);
        return HasExperts(model) ? BlocksOnly("deci has no experts")
            : Number(model, "embedding_scale", 0) is not (0 or 1) || Number(model, "residual_scale", 0) is not (0 or 1) || Number(model, "logit_scale", 1) != 1 || (attention != 0 && attention != (float)(1 / Math.Sqrt(length)))
                ? BlocksOnly("deci has none of granite's scales (embedding, residual, attention, logit), and granitehybrid, which has, makes llama.cpp abort where no block is recurrent")
            : model.Find($"{model.Architecture}.rope.scaling.finetuned") is { IsArray: false, ElementType: GgufValueType.Bool } rotates && !rotates.Get<bool>() ? BlocksOnly("deci always rotates queries and keys")
            : Deci;
    }

    private static LeanForm Mistral3(GgufModel model) =>
        HasExperts(model) ? BlocksOnly("no other architecture has mistral3's experts")
        : Number(model, "attention.temperature_scale", 0) != 0 ? BlocksOnly("mistral3.attention.temperature_scale makes queries depend on their position, which deci does not know")
        : Number(model, "rope.scaling.yarn_log_multiplier", 0) != 0 || Number(model, "rope.scaling.yarn_beta_fast", 32) != 32 || Number(model, "rope.scaling.yarn_beta_slow", 1) != 1
            ? BlocksOnly("mistral3.rope.scaling.yarn_* are read for mistral3 only")
        : Deci;

    private static LeanForm Qwen2(GgufModel model) =>
        model.FindTensor("output.bias") is not null ? BlocksOnly("deci has no output.bias") : Deci with { Heads = HeadOrder.NeoxToNorm };

    private static LeanForm Phi3(GgufModel model) =>
        HasExperts(model) ? BlocksOnly("deci has no experts")
        : model.FindTensor("rope_factors_long.weight") is not null && Text(model, "rope.scaling.type") != "longrope"
            ? BlocksOnly("deci reads rope_factors_long.weight only where phi3.rope.scaling.type is longrope")
        : Deci with { Heads = HeadOrder.NeoxToNorm };

    private static LeanForm Qwen3(GgufModel model)
    {
        if (model.FindTensor("output.weight") is not null) return Step35(model, HeadOrder.Same);
        if (model.FindTensor("cls.output.weight") is not null) return BlocksOnly("openelm has no cls.output.weight");
        foreach (var tensor in model.Tensors)
        {
            if (tensor.Name.StartsWith("blk.", StringComparison.Ordinal) && tensor.Name.EndsWith(".bias", StringComparison.Ordinal)) return BlocksOnly($"openelm has no {tensor.Name}");
        }

        // openelm holds Q, K and V in one tensor, which has one type.
        for (var block = 0; model.FindTensor($"blk.{block}.attn_q.weight") is { } query; block++)
        {
            var other = new[] { $"blk.{block}.attn_k.weight", $"blk.{block}.attn_v.weight" }.Select(model.GetTensor).FirstOrDefault(tensor => tensor.Type != query.Type);
            if (other is not null)
            {
                return BlocksOnly($"openelm holds Q, K and V in one tensor, but {query.Name} is {GgmlTypes.Of(query.Type).Name} and {other.Name} is {GgmlTypes.Of(other.Type).Name}; "
                    + "a file quantised to one type throughout, such as Q8_0 or Q4_0, can be cut finer");
            }
        }

        return new("openelm", true, HeadOrder.Same, "");
    }

    /// <summary>
    /// step35 knows norms of queries and keys as well as experts, either in any block, but one width of FFNs and one of experts: whole FFNs can
    /// go. In models without experts one that is all zeros stands in for an FFN.
    /// </summary>
    private static LeanForm Step35(GgufModel model, HeadOrder heads)
    {
        if (model.FindTensor("output.weight") is null) return BlocksOnly("step35, which has experts and head counts that differ, wants an output.weight");
        var foreign = model.Tensors.FirstOrDefault(tensor => tensor.Name.StartsWith("blk.", StringComparison.Ordinal)
            && (tensor.Name.EndsWith("attn_output.bias", StringComparison.Ordinal) || (tensor.Name.Contains(".ffn_", StringComparison.Ordinal) && tensor.Name.EndsWith(".bias", StringComparison.Ordinal))
                || tensor.Name.Contains("_shexp.", StringComparison.Ordinal) || tensor.Name.Contains("attn_qkv.", StringComparison.Ordinal)));
        return foreign is not null ? BlocksOnly($"step35 has no {foreign.Name}")
            : Text(model, "rope.scaling.type") == "longrope" ? BlocksOnly("rope.scaling.type longrope is not known with step35")
            : new("step35", false, heads, "");
    }

    /// <summary>deci asserts that keys, values and rotated elements have one length.</summary>
    private static string? HeadProblem(GgufModel model)
    {
        var architecture = model.Architecture;
        var heads = model.GetInt32s($"{architecture}.attention.head_count", model.GetInt32($"{architecture}.block_count"));
        var length = model.GetInt32($"{architecture}.attention.key_length", model.GetInt32($"{architecture}.embedding_length") / Math.Max(heads[0], 1));
        var (values, rotated) = (model.GetInt32($"{architecture}.attention.value_length", length), model.GetInt32($"{architecture}.rope.dimension_count", length));
        return values == length && rotated == length ? null : $"keys have {length} elements a head, values {values}, and {rotated} are rotated; deci, openelm and step35 want them equal";
    }

    private static double Number(GgufModel model, string key, double otherwise) =>
        model.Find($"{model.Architecture}.{key}") is null ? otherwise : model.GetNumber($"{model.Architecture}.{key}");

    private static string? Text(GgufModel model, string key) => model.Find($"{model.Architecture}.{key}") is { IsText: true } value ? value.GetText() : null;
}

/// <summary>Rows of Q and K in a head.</summary>
internal enum HeadOrder
{
    Same,

    /// <summary>From halves that are rotated together to neighbours.</summary>
    NeoxToNorm,

    /// <summary>From neighbours that are rotated together to halves.</summary>
    NormToNeox,
}
