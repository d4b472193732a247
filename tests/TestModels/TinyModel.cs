using FinerCut.Gguf;

namespace FinerCut.TestModels;

public enum TinyTokenizer
{
    /// <summary>gpt2: 256 byte letters, some merges, ChatML markers.</summary>
    Bpe,

    /// <summary>llama: 256 byte tokens, letters and a few pieces.</summary>
    Spm,
}

/// <summary>
/// What a tiny random model looks like. It loads and decodes in llama.cpp v0.5.0 like a real one; the same options give the same bytes.
/// Rows must be whole blocks of <see cref="Weights"/>: widths are multiples of 32 for Q4_0..Q8_0, of 256 for K-quants.
/// </summary>
public sealed record TinyModel
{
    /// <summary>llama, mistral3, granite, qwen2, qwen3, qwen3moe, phi3 or gemma3.</summary>
    public string Architecture { get; init; } = "llama";

    public int Seed { get; init; } = 1;

    public int Blocks { get; init; } = 4;

    /// <summary>n_embd.</summary>
    public int Embedding { get; init; } = 64;

    public int Heads { get; init; } = 4;

    public int KvHeads { get; init; } = 2;

    /// <summary>0 = Embedding / Heads. llama and qwen3 take any even number.</summary>
    public int HeadSize { get; init; }

    /// <summary>n_ff.</summary>
    public int FeedForward { get; init; } = 128;

    public int ContextLength { get; init; } = 512;

    public GgmlType Weights { get; init; } = GgmlType.F32;

    /// <summary>No output.weight: token_embd is used again, as gemma3 always does.</summary>
    public bool TiedOutput { get; init; }

    /// <summary>Biases of all linear layers (llama). qwen2 always has those of Q, K and V.</summary>
    public bool Biases { get; init; }

    /// <summary>rope_freqs.weight, as Llama 3.1 has (llama).</summary>
    public bool RopeFreqs { get; init; }

    /// <summary>Experts of every block, 0 = dense (llama, granite, qwen3moe).</summary>
    public int Experts { get; init; }

    public TinyTokenizer Tokenizer { get; init; } = TinyTokenizer.Bpe;

    public bool ChatTemplate { get; init; } = true;

    public int ActualHeadSize => HeadSize == 0 ? Embedding / Heads : HeadSize;

    /// <summary>Writes the file and returns its path.</summary>
    public string WriteTo(string path)
    {
        GgufWriter.Write(Plan(), path);
        return path;
    }

    /// <summary>The file as a plan, for tests that want to break something first.</summary>
    public GgufEdit Plan()
    {
        var edit = new GgufEdit();
        Metadata(edit);
        TinyVocabulary.AddTo(edit, this);
        new TinyTensors(edit, this).Add();
        return edit;
    }

    private void Metadata(GgufEdit edit)
    {
        // llama.cpp looks for tokens of its own where the name says phi-3: names have no architecture.
        edit.Set("general.architecture", Architecture).Set("general.type", "model").Set("general.name", $"tiny {Seed}");
        Set("context_length", (uint)ContextLength);
        Set("embedding_length", (uint)Embedding);
        Set("block_count", (uint)Blocks);
        Set("feed_forward_length", (uint)FeedForward);
        Set("attention.head_count", (uint)Heads);
        Set("attention.head_count_kv", (uint)KvHeads);
        Set("attention.layer_norm_rms_epsilon", 1e-5f);
        Set("rope.freq_base", 10000f);
        Set("rope.dimension_count", (uint)ActualHeadSize);
        Set("vocab_size", (uint)TinyVocabulary.Count(this));
        if (HeadSize != 0 || Architecture is "qwen3" or "qwen3moe")
        {
            Set("attention.key_length", (uint)ActualHeadSize);
            Set("attention.value_length", (uint)ActualHeadSize);
        }
        if (Architecture == "gemma3")
        {
            // Short, so that a block which attends to the wrong length is seen.
            Set("attention.sliding_window", 8u);
            Set("rope.freq_base_swa", 1000f);
        }
        if (Architecture == "granite")
        {
            // Values other than 1, so that a rewrite which forgets one is seen.
            Set("logit_scale", 2f);
            Set("residual_scale", 0.5f);
            Set("embedding_scale", 3f);
            Set("attention.scale", 0.2f);
        }
        if (Experts > 0)
        {
            Set("expert_count", (uint)Experts);
            Set("expert_used_count", (uint)Math.Min(2, Experts));
            if (Architecture == "qwen3moe") Set("expert_feed_forward_length", (uint)FeedForward);
        }
        edit.Set("general.quantization_version", 2u);

        void Set(string key, GgufValue value) => edit.Set($"{Architecture}.{key}", value);
    }
}
