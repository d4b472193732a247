using System.Globalization;
using System.Text;
using FinerCut.Gguf;

namespace FinerCut.TestModels;

/// <summary>Small vocabularies that can spell every text.</summary>
internal static class TinyVocabulary
{
    private const int Normal = 1;
    private const int Unknown = 2;
    private const int Control = 3;
    private const int Byte = 6;

    private const string ChatMl =
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static readonly string[] Controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

    private static readonly string[] Merges =
        ["Ġ t", "h e", "Ġ a", "i n", "Ġt he", "o n", "r e", "Ġ s", "e r", "a n", "Ġ w", "o r", "Ġ o", "n d", "Ġ c", "i s", "a t", "e n", "Ġa nd", "in g"];

    private static readonly string[] Pieces = ["▁t", "he", "▁a", "in", "▁the", "on", "re", "▁s", "er", "an"];

    public static int Count(TinyModel model) => model.Tokenizer == TinyTokenizer.Bpe ? Controls.Length + 256 + Merges.Length : Spm().Count;

    public static void AddTo(GgufEdit edit, TinyModel model)
    {
        if (model.Tokenizer == TinyTokenizer.Bpe) AddBpe(edit);
        else AddSpm(edit);
        if (model.ChatTemplate) edit.Set("tokenizer.chat_template", ChatMl);
    }

    private static void AddBpe(GgufEdit edit)
    {
        string[] tokens = [.. Controls, .. Enumerable.Range(0, 256).Select(ByteLetter), .. Merges.Select(merge => merge.Replace(" ", "", StringComparison.Ordinal))];
        var types = tokens.Select((_, i) => i < Controls.Length ? Control : Normal).ToArray();
        edit.Set("tokenizer.ggml.model", "gpt2").Set("tokenizer.ggml.pre", "smollm")
            .Set("tokenizer.ggml.tokens", GgufValue.ArrayOf(tokens))
            .Set("tokenizer.ggml.token_type", GgufValue.ArrayOf<int>(types))
            .Set("tokenizer.ggml.merges", GgufValue.ArrayOf(Merges))
            .Set("tokenizer.ggml.bos_token_id", 1u).Set("tokenizer.ggml.eos_token_id", 2u).Set("tokenizer.ggml.unknown_token_id", 0u)
            .Set("tokenizer.ggml.padding_token_id", 2u).Set("tokenizer.ggml.add_bos_token", false);
    }

    private static void AddSpm(GgufEdit edit)
    {
        var tokens = Spm();
        edit.Set("tokenizer.ggml.model", "llama").Set("tokenizer.ggml.pre", "default")
            .Set("tokenizer.ggml.tokens", GgufValue.ArrayOf([.. tokens.Select(token => token.Text)]))
            .Set("tokenizer.ggml.scores", GgufValue.ArrayOf<float>([.. tokens.Select((_, i) => -(float)i)]))
            .Set("tokenizer.ggml.token_type", GgufValue.ArrayOf<int>([.. tokens.Select(token => token.Type)]))
            .Set("tokenizer.ggml.bos_token_id", 1u).Set("tokenizer.ggml.eos_token_id", 2u).Set("tokenizer.ggml.unknown_token_id", 0u)
            .Set("tokenizer.ggml.add_bos_token", true);
    }

    private static List<(string Text, int Type)> Spm()
    {
        List<(string, int)> tokens = [("<unk>", Unknown), ("<s>", Control), ("</s>", Control)];
        for (var i = 0; i < 256; i++) tokens.Add((string.Create(CultureInfo.InvariantCulture, $"<0x{i:X2}>"), Byte));
        foreach (var piece in Pieces) tokens.Add((piece, Normal));
        tokens.Add(("▁", Normal));
        for (var letter = 'a'; letter <= 'z'; letter++) tokens.Add((letter.ToString(), Normal));
        foreach (var marker in Controls[1..]) tokens.Add((marker, Control));
        return tokens;
    }

    /// <summary>GPT-2's printable letter for a byte.</summary>
    private static string ByteLetter(int value)
    {
        static bool Printable(int b) => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
        return new Rune(Printable(value) ? value : 256 + Enumerable.Range(0, value).Count(b => !Printable(b))).ToString();
    }
}
