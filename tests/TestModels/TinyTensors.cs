using System.Collections.Immutable;
using System.Runtime.InteropServices;
using FinerCut.Gguf;

namespace FinerCut.TestModels;

/// <summary>Random weights of a spread that keeps activations of order one, in the order in which llama.cpp's converters write them.</summary>
internal sealed class TinyTensors(GgufEdit edit, TinyModel model)
{
    private readonly Random _random = new(model.Seed);

    public void Add()
    {
        Matrix("token_embd.weight", model.Embedding, TinyVocabulary.Count(model), 0.5);
        if (model.RopeFreqs) Vector("rope_freqs.weight", model.ActualHeadSize / 2, i => 1 + (i / 4f));
        Vector("output_norm.weight", model.Embedding, _ => NearOne());
        if (!model.TiedOutput) Matrix("output.weight", model.Embedding, TinyVocabulary.Count(model));
        for (var block = 0; block < model.Blocks; block++)
        {
            Attention($"blk.{block}.");
            FeedForward($"blk.{block}.");
        }
    }

    private void Attention(string prefix)
    {
        var (queries, keys) = (model.Heads * model.ActualHeadSize, model.KvHeads * model.ActualHeadSize);
        Vector(prefix + "attn_norm.weight", model.Embedding, _ => NearOne());
        if (model.Architecture == "phi3")
        {
            Linear(prefix + "attn_qkv", model.Embedding, queries + (2 * keys), false);
        }
        else
        {
            var biased = model.Biases || model.Architecture == "qwen2";
            Linear(prefix + "attn_q", model.Embedding, queries, biased);
            Linear(prefix + "attn_k", model.Embedding, keys, biased);
            Linear(prefix + "attn_v", model.Embedding, keys, biased);
        }
        if (model.Architecture is "qwen3" or "qwen3moe" or "gemma3")
        {
            Vector(prefix + "attn_q_norm.weight", model.ActualHeadSize, _ => NearOne());
            Vector(prefix + "attn_k_norm.weight", model.ActualHeadSize, _ => NearOne());
        }
        Linear(prefix + "attn_output", queries, model.Embedding, model.Biases);
        if (model.Architecture == "gemma3") Vector(prefix + "post_attention_norm.weight", model.Embedding, _ => NearOne());
    }

    private void FeedForward(string prefix)
    {
        Vector(prefix + "ffn_norm.weight", model.Embedding, _ => NearOne());
        if (model.Architecture == "gemma3") Vector(prefix + "post_ffw_norm.weight", model.Embedding, _ => NearOne());
        if (model.Experts > 0)
        {
            Matrix(prefix + "ffn_gate_inp.weight", model.Embedding, model.Experts, type: GgmlType.F32);
            Matrix(prefix + "ffn_gate_exps.weight", model.Embedding, model.FeedForward, third: model.Experts);
            Matrix(prefix + "ffn_down_exps.weight", model.FeedForward, model.Embedding, third: model.Experts);
            Matrix(prefix + "ffn_up_exps.weight", model.Embedding, model.FeedForward, third: model.Experts);
            return;
        }
        if (model.Architecture != "phi3") Linear(prefix + "ffn_gate", model.Embedding, model.FeedForward, model.Biases);
        Linear(prefix + "ffn_down", model.FeedForward, model.Embedding, model.Biases);
        Linear(prefix + "ffn_up", model.Embedding, model.Architecture == "phi3" ? 2 * model.FeedForward : model.FeedForward, model.Biases);
    }

    private void Linear(string name, int columns, int rows, bool bias)
    {
        Matrix(name + ".weight", columns, rows);
        if (bias) Vector(name + ".bias", rows, _ => Normal() * 0.1f);
    }

    private void Matrix(string name, int columns, int rows, double? deviation = null, GgmlType? type = null, int third = 0)
    {
        ImmutableArray<long> shape = third == 0 ? [columns, rows] : [columns, rows, third];
        var count = (long)columns * rows * Math.Max(1, third);
        var bytes = RandomWeights.Make(_random, type ?? model.Weights, count, deviation ?? 1 / Math.Sqrt(columns));
        edit.Add(new(name, type ?? model.Weights, shape, GgufContent.Bytes(bytes)));
    }

    private void Vector(string name, int count, Func<int, float> value)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++) values[i] = value(i);
        edit.Add(new(name, GgmlType.F32, [count], GgufContent.Bytes(MemoryMarshal.AsBytes<float>(values).ToArray())));
    }

    private float NearOne() => 1 + (0.1f * Normal());

    private float Normal() => RandomWeights.Normal(_random);
}
