namespace FinerCut.Gguf;

/// <summary>Checks the vocabulary: llama.cpp aborts on a token text that occurs twice, and indexes scores and types by token.</summary>
internal sealed class TokenizerCheck(GgufModel model, IReadOnlyList<GgufTensorInfo> tensors, IList<GgufDefect> defects)
{
    private const string Prefix = "tokenizer.ggml.";
    private const int ByteToken = 6;
    private const int MaxTokens = 1 << 22;

    private static readonly string[] SpecialIds =
    [
        "bos", "eos", "eot", "eom", "unknown", "seperator", "padding", "mask", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep",
        "prefix", "suffix", "middle",
    ];

    public void Run()
    {
        if (Array(Prefix + "tokens", GgufValueType.String) is not { } tokens) return;
        if (tokens.Count is 0 or > MaxTokens)
        {
            Report(GgufCause.ValueOutOfRange, Prefix + "tokens", $"{tokens.Count} tokens", $"1 to {MaxTokens}");
            return;
        }
        foreach (var special in SpecialIds) SpecialId($"{Prefix}{special}_token_id", tokens.Count);
        var types = Array(Prefix + "token_type", GgufValueType.Int32);
        Length(Prefix + "token_type", types, tokens.Count);
        Length(Prefix + "scores", Array(Prefix + "scores", GgufValueType.Float32, GgufValueType.Int32), tokens.Count);
        var tokenizer = model.Find(Prefix + "model");
        if (tokenizer is not { IsText: true }) Report(GgufCause.KeyMissing, Prefix + "model", tokenizer?.TypeName ?? "no such key", "the tokenizer's name");
        else Texts(tokens, types?.Count >= tokens.Count ? types : null, tokenizer.GetText());
        Array(Prefix + "merges", GgufValueType.String);
        if (tensors.FirstOrDefault(tensor => tensor.Name == "token_embd.weight") is { } embedding && embedding.Rows != tokens.Count)
        {
            Report(GgufCause.TensorShapeWrong, embedding.Name, $"{embedding.Rows} rows", $"{tokens.Count}, one a token");
        }
    }

    private void SpecialId(string key, long count)
    {
        if (model.Find(key) is not { } id) return;
        if (id.IsArray || id.ElementType != GgufValueType.UInt32) Report(GgufCause.ValueTypeWrong, key, id.TypeName, "u32");
        else if (id.Get<uint>() >= count) Report(GgufCause.TokenIdOutOfRange, key, id.ToString(), $"a token below {count}");
    }

    private void Texts(GgufValue tokens, GgufValue? types, string tokenizer)
    {
        // Hashes, not texts: a vocabulary may be most of a hostile file.
        var seen = new HashSet<(int, int)>();
        var index = 0;
        foreach (var text in tokens.GetUtf8Texts())
        {
            var span = text.Span;
            var hash = new HashCode();
            hash.AddBytes(span);
            if (!span.IsEmpty && !seen.Add((hash.ToHashCode(), Checksum(span))))
            {
                Report(GgufCause.TokenTextInvalid, Prefix + "tokens", $"the text of token {index} a second time", "every text once");
            }
            if (tokenizer == "llama" && types is not null && types.GetElements<int>()[index] == ByteToken && !IsByte(span))
            {
                Report(GgufCause.TokenTextInvalid, Prefix + "tokens", $"token {index} is of type byte but its text is none", "<0x00> to <0xFF>");
            }
            index++;
            if (defects.Count >= GgufCheck.MaxDefects) return;
        }
    }

    private static int Checksum(ReadOnlySpan<byte> text)
    {
        // FNV-1a: independent of HashCode's, so that two texts collide in neither by chance.
        var hash = 2166136261u;
        foreach (var value in text) hash = (hash ^ value) * 16777619u;
        return (int)hash;
    }

    private static bool IsByte(ReadOnlySpan<byte> text) =>
        text.Length == 6 && text.StartsWith("<0x"u8) && text[5] == '>' && char.IsAsciiHexDigit((char)text[3]) && char.IsAsciiHexDigit((char)text[4]);

    private GgufValue? Array(string key, params ReadOnlySpan<GgufValueType> types)
    {
        if (model.Find(key) is not { } value) return null;
        if (value.IsArray && types.Contains(value.ElementType)) return value;
        Report(GgufCause.ValueTypeWrong, key, value.TypeName, $"an array of {GgufValueTypes.NameOf(types[0])}");
        return null;
    }

    private void Length(string key, GgufValue? value, long least)
    {
        if (value is not null && value.Count < least) Report(GgufCause.ArrayLengthWrong, key, $"{value.Count} values", $"{least}, one a token");
    }

    private void Report(GgufCause cause, string name, string found, string expected) => defects.Add(new(cause, null, name, found, expected));
}
