using System.Globalization;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class GrammarTests(RealModel real) : IDisposable
{
    private const string Prompt = "<|im_start|>user\nName a colour and a number as JSON.<|im_end|>\n<|im_start|>assistant\n";
    private const string Json = """
        # comments and escapes
        root  ::= "{" ws "\"colour\":" ws string "," ws "\"number\":" ws [0-9]{1,3} ws "}"
        string ::= "\"" [a-zA-Z \x2d]{0,12} "\""
        ws ::= [ \t\n]?
        """;

    private readonly ILlamaSession _session = real.Open(new SessionOptions { ContextLength = 256, BatchSize = 64 });

    public void Dispose() => _session.Dispose();

    [Theory]
    [InlineData(0f), InlineData(1.5f)]
    public void A_grammar_shapes_the_answer(float temperature)
    {
        using var sampler = _session.CreateSampler(new SamplerOptions { Temperature = temperature, Grammar = Json, Seed = 11 });
        var text = real.Text(real.Generate(_session, Prompt, sampler, 48));
        Assert.EndsWith("<|im_end|>", text, StringComparison.Ordinal);
        using var json = System.Text.Json.JsonDocument.Parse(text[..^"<|im_end|>".Length]);
        Assert.InRange(json.RootElement.GetProperty("number").GetInt32(), 0, 999);
    }

    [Theory]
    [InlineData("root ::= \"a", "line 1, column 12")]
    [InlineData("root ::= \"a\"\nroot2 = \"b\"", "line 2, column 7: \"::=\"")]
    [InlineData("root ::= missing", "\"missing\" is used and not defined")]
    [InlineData("other ::= \"a\"", "no rule \"root\"")]
    [InlineData("", "no rule")]
    [InlineData("root ::= ( \"a\"", "\")\"")]
    [InlineData("root ::= \"a\" )", "the end of the rule")]
    [InlineData("root ::= * \"a\"", "nothing to repeat")]
    [InlineData("root ::= \"\"*", "nothing to repeat")]
    [InlineData("root ::= \"a\"{5,2}", "wrong way round")]
    [InlineData("root ::= \"a\"{99999999999999999999}", "too large")]
    [InlineData("root ::= \"a\"{2001}", "2000")]
    [InlineData("root ::= (\"a\"{0,100}){100}", "2000")]
    [InlineData("root ::= \"\\q\"", "escape")]
    [InlineData("root ::= \"\\u12\"", "hexadecimal")]
    [InlineData("root ::= [a-", "ends within")]
    [InlineData("root ::= root \"a\" | \"b\"", "left recursion in \"root\"")]
    [InlineData("root ::= a\na ::= b?\nb ::= a", "left recursion")]
    [InlineData("root ::= <not one token of it>", "not one token")]
    [InlineData("root ::= \"a\0b\"", "NUL")]
    public void A_wrong_grammar_is_refused_where_it_is_wrong(string grammar, string says)
    {
        var thrown = Assert.Throws<LlamaException>(() => _session.CreateSampler(new SamplerOptions { Grammar = grammar }));
        Assert.Equal(LlamaErrorCode.InvalidGrammar, thrown.Code);
        Assert.Contains(says, thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Grammars_that_would_hang_or_overflow_the_library_are_refused_at_once()
    {
        string[] grammars =
        [
            "root ::= " + new string('(', 100_000) + "\"a\"" + new string(')', 100_000),
            "root ::= r0\n" + string.Concat(Enumerable.Range(0, 60).Select(i => $"r{i} ::= r{i + 1} | r{i + 1}\n")) + "r60 ::= \"a\"",
            "root ::= r0\n" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"r{i} ::= r{i + 1}\n")) + "r20000 ::= \"a\"",
            "root ::= \"" + new string('a', 100_000) + "\"{2000}",
            string.Concat(Enumerable.Repeat("root ::= \"a\"{0,2000}\n", 1000)),
            new string('#', 2_000_000),
        ];
        foreach (var grammar in grammars)
            Assert.Equal(LlamaErrorCode.InvalidGrammar, Assert.Throws<LlamaException>(() => _session.CreateSampler(new SamplerOptions { Grammar = grammar })).Code);
    }

    [Theory]
    [InlineData("root ::= <|im_end|> | !<|im_start|> .")]
    [InlineData("root ::= <[5]> [^\\n]+ \"\\U0001F642\"")]
    [InlineData("root ::= ( \"a\" |\n \"b\" )+ # end\n\n")]
    [InlineData("root ::= \"a\"{3} [b-d]{2,} x{0,4} y{,2}\nx ::= \"é\"\ny ::= [\\]\\-\\\\]", true)]
    [InlineData("root ::= [] \"a\"")]
    public void What_the_check_takes_the_library_takes(string grammar, bool refused = false)
    {
        if (refused) Assert.Throws<LlamaException>(() => _session.CreateSampler(new SamplerOptions { Grammar = grammar }));
        else _session.CreateSampler(new SamplerOptions { Grammar = grammar }).Dispose();
    }

    [Fact]
    public void Random_changes_of_a_grammar_never_reach_the_library_broken()
    {
        const int Seed = 20261123;
        var random = new Random(Seed);
        const string Letters = "\"[]()|*+?{},0123456789abcroot-\\ \n#:=.^<>!x";
        var taken = 0;
        for (var round = 0; round < 1500; round++)
        {
            var text = new System.Text.StringBuilder(Json);
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var at = random.Next(text.Length);
                if (random.Next(2) == 0) text.Remove(at, 1);
                else text.Insert(at, Letters[random.Next(Letters.Length)]);
            }

            try
            {
                _session.CreateSampler(new SamplerOptions { Grammar = text.ToString() }).Dispose();
                taken++;
            }
            catch (LlamaException refused)
            {
                // The check's own words: the library was not asked.
                Assert.True(refused.Message.StartsWith("The grammar is refused: ", StringComparison.Ordinal), string.Create(CultureInfo.InvariantCulture, $"seed {Seed}, round {round}: {refused.Message}\n{text}"));
            }
        }

        Assert.InRange(taken, 100, 1400);
    }

    [Fact]
    public void A_grammar_that_no_token_continues_is_an_exception()
    {
        using var sampler = _session.CreateSampler(new SamplerOptions { Grammar = "root ::= <[49151]> <[999999]>", Temperature = 0 });
        var thrown = Assert.Throws<LlamaException>(() => real.Generate(_session, Prompt, sampler, 3));
        Assert.Equal(LlamaErrorCode.InvalidGrammar, thrown.Code);
    }

    [Fact]
    public void After_its_end_the_grammar_gives_only_ends()
    {
        using var sampler = _session.CreateSampler(new SamplerOptions { Grammar = "root ::= \"x\"", Temperature = 0 });
        var batch = new TokenBatch(64);
        var last = DecodeTests.Fill(batch, real.Tokens(Prompt), 0);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        Assert.Equal("x", real.Text([sampler.Sample(last)]));
        for (var i = 0; i < 3; i++) Assert.True(real.Model.Vocabulary.IsEndOfGeneration(sampler.Sample(last)));
    }
}
