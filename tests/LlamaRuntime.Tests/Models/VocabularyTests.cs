using System.Text;
using FinerCut.Runtime;
using FinerCut.TestModels;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class VocabularyTests(RealModel real)
{
    [Theory]
    [InlineData("The quick brown fox jumps over the lazy dog.")]
    [InlineData("")]
    [InlineData("  two  spaces\n\ttabs\r\n")]
    [InlineData("Zażółć gęślą jaźń — 日本語 🙂👩‍👩‍👧")]
    [InlineData("nul \0 inside")]
    public void Text_comes_back_from_its_tokens(string text)
    {
        var tokens = real.Model.Vocabulary.Tokenize(text, addSpecial: false, parseSpecial: false);
        Assert.Equal(text, real.Text(tokens));
    }

    [Fact]
    public void Special_tokens_are_read_only_where_asked()
    {
        var vocabulary = real.Model.Vocabulary;
        var token = Assert.Single(vocabulary.Tokenize("<|im_end|>", false, parseSpecial: true));
        Assert.True(vocabulary.IsEndOfGeneration(token));
        Assert.Equal(token, vocabulary.Special.Eos);
        Assert.True(vocabulary.Tokenize("<|im_end|>", false, parseSpecial: false).Length > 1);
        Span<byte> piece = stackalloc byte[16];
        Assert.Equal(0, vocabulary.Piece(token, piece, special: false));
        Assert.Equal("<|im_end|>", Encoding.UTF8.GetString(piece[..vocabulary.Piece(token, piece, special: true)]));
    }

    [Fact]
    public void A_piece_that_does_not_fit_tells_its_size()
    {
        var token = real.Model.Vocabulary.Tokenize(" information", false, false).Single();
        Assert.Equal(-12, real.Model.Vocabulary.Piece(token, stackalloc byte[4], special: false));
        Assert.Equal(-12, real.Model.Vocabulary.Piece(token, [], special: false));
    }

    [Fact]
    public void A_long_text_tokenises()
    {
        var text = string.Concat(Enumerable.Repeat("Lorem ipsum dolor sit amet. ", 4000));
        Assert.Equal(text, real.Text(real.Model.Vocabulary.Tokenize(text, false, false)));
    }

    [Theory]
    [InlineData(-1), InlineData(49152), InlineData(int.MaxValue), InlineData(int.MinValue)]
    public void Tokens_out_of_range_are_exceptions(int token)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => real.Model.Vocabulary.IsEndOfGeneration(token));
        Assert.Throws<ArgumentOutOfRangeException>(() => real.Model.Vocabulary.Piece(token, new byte[8], false));
    }

    [Fact]
    public void A_byte_vocabulary_adds_its_start_token_and_spells_anything()
    {
        using var folder = new TempFolder();
        using var model = real.Runtime.Load(
            new ModelOptions { Path = new TinyModel { Tokenizer = TinyTokenizer.Spm }.WriteTo(folder.File("m.gguf")) }, null, CancellationToken.None);
        var tokens = model.Vocabulary.Tokenize("añ🙂", addSpecial: true, parseSpecial: false);
        Assert.Equal(model.Vocabulary.Special.Bos, tokens[0]);
        Assert.True(model.Vocabulary.Special.AddBos);
        var bytes = new List<byte>();
        var piece = new byte[16];
        foreach (var token in tokens) bytes.AddRange(piece[..model.Vocabulary.Piece(token, piece, special: false)]);
        Assert.Equal(" añ🙂", Encoding.UTF8.GetString([.. bytes]));
    }

    [Fact]
    public void Many_threads_may_tokenise_at_once()
    {
        var expected = real.Tokens("The cat sat on the mat, and the dog did not.");
        Parallel.For(0, 200, _ => Assert.Equal(expected, real.Tokens("The cat sat on the mat, and the dog did not.")));
    }
}
