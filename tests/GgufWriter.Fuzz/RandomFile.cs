namespace FinerCut.Gguf.Fuzz;

/// <summary>Random sound files and random edits, for fuzzing and for property tests.</summary>
public static class RandomFile
{
    private static readonly GgmlType[] Types = Enum.GetValues<GgmlType>();

    /// <summary>The bytes of a small random file.</summary>
    public static byte[] Make(Random random)
    {
        var path = Path.Combine(Path.GetTempPath(), $"fuzz-{Guid.NewGuid():N}.gguf");
        try
        {
            GgufWriter.Write(Plan(random), path);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    public static GgufEdit Plan(Random random)
    {
        var edit = new GgufEdit { Version = random.Next(2, 4) is var version ? (uint)version : 3 };
        if (random.Next(3) == 0) edit.Set(GgufKeys.Alignment, 1u << random.Next(3, 9));
        if (random.Next(2) == 0) Model(edit, random);
        for (var i = random.Next(8); i > 0; i--) edit.Set($"key.{random.Next(100)}", Value(random));
        for (var i = random.Next(6); i > 0; i--)
        {
            var tensor = Tensor(random, $"tensor.{random.Next(100)}");
            if (edit.FindTensor(tensor.Name) is null) edit.Add(tensor);
        }
        return edit;
    }

    public static GgufValue Value(Random random) => random.Next(16) switch
    {
        0 => GgufValue.Of((byte)random.Next()),
        1 => GgufValue.Of((sbyte)random.Next()),
        2 => GgufValue.Of((ushort)random.Next()),
        3 => GgufValue.Of((short)random.Next()),
        4 => (uint)random.NextInt64(),
        5 => random.Next(int.MinValue, int.MaxValue),
        6 => random.NextSingle(),
        7 => random.Next(2) == 0,
        8 => GgufValue.Of((ulong)random.NextInt64(long.MinValue, long.MaxValue)),
        9 => GgufValue.Of(random.NextInt64(long.MinValue, long.MaxValue)),
        10 => GgufValue.Of(random.NextDouble()),
        11 => Text(random),
        12 => GgufValue.ArrayOf<int>([.. Enumerable.Range(0, random.Next(9)).Select(_ => random.Next())]),
        13 => GgufValue.ArrayOf<float>([.. Enumerable.Range(0, random.Next(9)).Select(_ => random.NextSingle())]),
        14 => GgufValue.ArrayOf<byte>([.. Enumerable.Range(0, random.Next(9)).Select(_ => (byte)random.Next())]),
        _ => GgufValue.ArrayOf([.. Enumerable.Range(0, random.Next(9)).Select(_ => Text(random))]),
    };

    public static GgufTensorPlan Tensor(Random random, string name)
    {
        var type = Types[random.Next(Types.Length)];
        long[] shape = [GgmlTypes.Of(type).BlockSize * random.Next(1, 4), .. Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(1, 4))];
        var bytes = new byte[GgmlTypes.ByteCount(type, shape)];
        random.NextBytes(bytes);
        return new(name, type, [.. shape], GgufContent.Bytes(bytes));
    }

    private static string Text(Random random) => string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => "aZ9 .ß€🦙\n"[random.Next(8)] is var c && char.IsSurrogate(c) ? "🦙" : $"{c}"));

    /// <summary>Enough of a model that the checks beyond the container have something to look at.</summary>
    private static void Model(GgufEdit edit, Random random)
    {
        edit.Set(GgufKeys.Architecture, random.Next(3) == 0 ? "other" : "llama").Set("llama.block_count", (uint)random.Next(4))
            .Set("llama.embedding_length", 32u).Set("llama.context_length", 64u).Set("llama.feed_forward_length", GgufValue.ArrayOf(32u, 64u))
            .Set("llama.attention.head_count", 4u).Set("llama.attention.head_count_kv", 2u).Set("llama.attention.layer_norm_rms_epsilon", 1e-5f)
            .Set("tokenizer.ggml.model", "llama").Set("tokenizer.ggml.tokens", GgufValue.ArrayOf((string[])["<unk>", "<0x0A>", "c"]))
            .Set("tokenizer.ggml.token_type", GgufValue.ArrayOf(2, 6, 1)).Set("tokenizer.ggml.eos_token_id", (uint)random.Next(4));
        edit.Add(new("token_embd.weight", GgmlType.F32, [32, 3], GgufContent.Bytes(new byte[384])))
            .Add(new("blk.0.attn_norm.weight", GgmlType.F32, [32], GgufContent.Bytes(new byte[128])));
    }
}
