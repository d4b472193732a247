using System.Globalization;

namespace FinerCut.Gguf;

/// <summary>Checks the hyperparameters of a model and, for the architectures whose tensors we know, names and shapes of all of them.</summary>
internal sealed class ModelCheck(GgufModel model, IReadOnlyList<GgufTensorInfo> tensors, IList<GgufDefect> defects)
{
    /// <summary>llama.cpp's LLAMA_MAX_LAYERS.</summary>
    public const int MaxBlocks = 512;

    // One value for all blocks, or one a block (get_key_or_arr and get_arr in llama.cpp's loader).
    private static readonly string[] PerLayer =
    [
        "feed_forward_length", "expert_feed_forward_length", "attention.head_count", "attention.head_count_kv", "expert_used_count",
        "attention.sliding_window_pattern", "attention.recurrent_layers", "attention.compress_ratios", "attention.indexer.types",
        "swiglu_clamp_exp", "swiglu_clamp_shexp", "deepstack_mapping",
    ];

    private readonly Dictionary<string, GgufTensorInfo> _tensors = tensors.DistinctBy(t => t.Name).ToDictionary(t => t.Name, StringComparer.Ordinal);

    public void Run()
    {
        var architecture = model.Find(GgufKeys.Architecture);
        if (architecture is not { IsText: true })
        {
            if (architecture is null) Report(GgufCause.KeyMissing, GgufKeys.Architecture, "no such key", "the architecture's name");
            else Report(GgufCause.ValueTypeWrong, GgufKeys.Architecture, architecture.TypeName, "str");
            return;
        }
        // Adapters, projectors and importance matrices are no models of their own.
        if (model.Find("general.type") is { IsText: true } type && type.GetText() != "model") return;
        var name = architecture.GetText();
        var known = ArchitectureShapes.IsKnown(name);
        var blocks = Integer($"{name}.block_count", known, 1, MaxBlocks);
        if (blocks is null) return;
        PerLayerArrays(name, (int)blocks);
        BlockNumbers(name, (int)blocks);
        if (known) KnownTensors(name, (int)blocks);
    }

    private void PerLayerArrays(string architecture, int blocks)
    {
        foreach (var suffix in PerLayer)
        {
            var key = $"{architecture}.{suffix}";
            if (model.Find(key) is { IsArray: true } value && value.Count != blocks)
            {
                Report(GgufCause.ArrayLengthWrong, key, $"{value.Count} values", $"{blocks}, one a block");
            }
        }
    }

    private void BlockNumbers(string architecture, int blocks)
    {
        var seen = new HashSet<int>();
        foreach (var tensor in tensors)
        {
            var parts = tensor.Name.Split('.', 3);
            if (parts.Length < 3 || parts[0] != "blk" || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var number)) continue;
            seen.Add(number);
            if (number >= blocks) Report(GgufCause.TensorUnexpected, tensor.Name, $"a tensor of block {number}", $"blocks 0 to {blocks - 1} ({architecture}.block_count)");
        }
        if (seen.Count == 0 && !ArchitectureShapes.IsKnown(architecture)) return;

        // deci has blocks that are nothing at all; blocks that predict further tokens may lie in another file.
        if (architecture == "deci") return;
        var decoding = blocks - (Integer($"{architecture}.nextn_predict_layers", false, 0, blocks) ?? 0);
        for (var block = 0; block < decoding; block++)
        {
            if (!seen.Contains(block)) Report(GgufCause.TensorMissing, $"blk.{block}", "no tensor of this block", $"tensors of {blocks} blocks ({architecture}.block_count)");
        }
    }

    private void KnownTensors(string name, int blocks)
    {
        var before = defects.Count;
        var embedding = Integer($"{name}.embedding_length", true, 1, 1 << 24);
        Integer($"{name}.context_length", true, 1, int.MaxValue);
        Number($"{name}.attention.layer_norm_rms_epsilon");
        var heads = PerBlock($"{name}.attention.head_count", blocks, name is "deci");
        var keyHeads = model.Find($"{name}.attention.head_count_kv") is null ? heads : PerBlock($"{name}.attention.head_count_kv", blocks, name is "deci");
        var feedForward = PerBlock($"{name}.feed_forward_length", blocks, name is "deci");
        if (defects.Count > before || embedding is null || heads is null || keyHeads is null || feedForward is null) return;
        for (var block = 0; block < blocks; block++)
        {
            if (keyHeads[block] > 0 && heads[block] % keyHeads[block] != 0)
            {
                Report(GgufCause.ValueOutOfRange, $"{name}.attention.head_count", $"{heads[block]} heads over {keyHeads[block]} KV heads in block {block}", "a multiple");
            }
        }
        var divisor = heads[0] > 0 ? heads[0] : 1;
        var keyLength = Integer($"{name}.attention.key_length", false, 1, 1 << 16) ?? embedding / divisor;
        var valueLength = Integer($"{name}.attention.value_length", false, 1, 1 << 16) ?? embedding / divisor;
        var experts = Integer($"{name}.expert_count", false, 0, 1 << 16) ?? 0;
        var used = Integer($"{name}.expert_used_count", experts > 0, 1, Math.Max(experts, 1)) ?? 1;
        var ofExpert = Integer($"{name}.expert_feed_forward_length", false, 0, 1 << 24) ?? 0;
        var shared = Integer($"{name}.expert_shared_feed_forward_length", false, 0, 1 << 24) ?? 0;
        if (defects.Count > before) return;
        var sizes = new ArchitectureSizes
        {
            Embedding = embedding.Value,
            Vocabulary = _tensors.TryGetValue("token_embd.weight", out var tokens) ? tokens.Rows : 0,
            KeyLength = keyLength.Value,
            ValueLength = valueLength.Value,
            Experts = experts,
            ExpertLength = name is not ("qwen3moe" or "step35") ? feedForward[0] : ofExpert > 0 ? ofExpert : feedForward[0] / used,
            SharedExpertLength = name is "granite" or "step35" ? shared : 0,
            Heads = heads,
            KeyHeads = keyHeads,
            FeedForward = feedForward,
        };
        var shapes = new ArchitectureShapes(name, sizes, _tensors.ContainsKey);
        foreach (var expected in shapes.All()) Compare(expected);
    }

    private void Compare(ArchitectureShapes.Expected expected)
    {
        if (!_tensors.TryGetValue(expected.Name, out var tensor))
        {
            if (expected.Required) Report(GgufCause.TensorMissing, expected.Name, "no such tensor", $"[{string.Join(", ", expected.Shape)}]");
            return;
        }
        // Trailing dimensions of 1 mean nothing.
        var actual = tensor.Shape.AsSpan();
        while (actual.Length > expected.Shape.Length && actual[^1] == 1) actual = actual[..^1];
        if (!actual.SequenceEqual(expected.Shape))
        {
            Report(GgufCause.TensorShapeWrong, expected.Name, $"[{string.Join(", ", tensor.Shape)}]", $"[{string.Join(", ", expected.Shape)}]");
        }
    }

    private int[]? PerBlock(string key, int blocks, bool zeroAllowed)
    {
        if (model.Find(key) is not { } value)
        {
            Report(GgufCause.KeyMissing, key, "no such key", "an integer, or one a block");
            return null;
        }
        if (!GgufValueTypes.IsInteger(value.ElementType))
        {
            Report(GgufCause.ValueTypeWrong, key, value.TypeName, "an integer, or one a block");
            return null;
        }
        if (value.IsArray && value.Count != blocks) return null; // Reported with the other arrays.
        try
        {
            var numbers = model.GetInt32s(key, blocks);
            if (numbers.All(number => number > 0 || (zeroAllowed && number == 0))) return numbers;
            Report(GgufCause.ValueOutOfRange, key, "0 for a block", "at least 1");
        }
        catch (GgufException e)
        {
            defects.Add(e.Defect);
        }
        return null;
    }

    private long? Integer(string key, bool required, long least, long most)
    {
        if (model.Find(key) is not { } value)
        {
            if (required) Report(GgufCause.KeyMissing, key, "no such key", $"an integer from {least} to {most}");
            return null;
        }
        if (!value.IsInteger)
        {
            Report(GgufCause.ValueTypeWrong, key, value.TypeName, "an integer");
            return null;
        }
        var number = value.ElementType == GgufValueType.UInt64 ? (long)Math.Min(value.Get<ulong>(), long.MaxValue) : value.GetInteger();
        if (number >= least && number <= most) return number;
        Report(GgufCause.ValueOutOfRange, key, value.ToString(), $"{least} to {most}");
        return null;
    }

    private void Number(string key)
    {
        if (model.Find(key) is not { } value) Report(GgufCause.KeyMissing, key, "no such key", "f32");
        else if (value.IsArray || value.ElementType != GgufValueType.Float32) Report(GgufCause.ValueTypeWrong, key, value.TypeName, "f32");
        else if (!float.IsFinite(value.Get<float>()) || value.Get<float>() < 0) Report(GgufCause.ValueOutOfRange, key, value.ToString(), "a number from 0");
    }

    private void Report(GgufCause cause, string name, string found, string expected) => defects.Add(new(cause, null, name, found, expected));
}
