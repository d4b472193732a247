using System.Text;
using System.Text.Json;
using FinerCut.Runtime;
using FinerCut.Runtime.Native;
using FinerCut.Tests.Serving;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.Tools;

namespace FinerCut.Tests.Grammars;

/// <summary>The embedded model, loaded once for the tests below.</summary>
public sealed class GrammarModel : IDisposable
{
    public GrammarModel()
    {
        Model = NativeRuntime.Open().Load(new ModelOptions { Path = WorkerUnderTest.RealModel }, null, CancellationToken.None);
        Session = Model.Open(new SessionOptions { ContextLength = 512, BatchSize = 128, Threads = 1 });
    }

    public ILlamaModel Model { get; }

    public ILlamaSession Session { get; }

    public void Dispose()
    {
        Session.Dispose();
        Model.Dispose();
    }
}

/// <summary>libllama takes the grammars, and what SmolLM2 writes under them holds.</summary>
public sealed class NativeGrammarTests(GrammarModel loaded) : IClassFixture<GrammarModel>
{
    private readonly ILlamaModel _model = loaded.Model;
    private readonly ILlamaSession _session = loaded.Session;

    public static TheoryData<string> Schemas =>
    [
        "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":12},\"age\":{\"type\":\"integer\",\"minimum\":18,\"maximum\":99},\"day\":{\"type\":\"string\",\"format\":\"date\"}},\"required\":[\"name\",\"age\",\"day\"]}",
        "{\"type\":\"array\",\"items\":{\"enum\":[\"red\",\"green\",\"blé\",null,3]},\"minItems\":2,\"maxItems\":4}",
        "{\"type\":\"object\",\"properties\":{\"score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1},\"id\":{\"type\":\"string\",\"format\":\"uuid\"}},\"required\":[\"score\",\"id\"],\"additionalProperties\":false}",
        "{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"a\"}},\"required\":[\"kind\"],\"additionalProperties\":{\"type\":\"boolean\"},\"propertyNames\":{\"maxLength\":6}}",
        "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"x\"},\"v\":{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":0,\"maximum\":100}},\"required\":[\"k\",\"v\"]},{\"type\":\"string\",\"pattern\":\"^[A-Z][a-z]{2,6}( [a-z]{1,5}){0,3}\\\\.$\"}]}",
        "{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}",
        "{\"type\":\"string\",\"maxLength\":3000}",
    ];

    [Theory]
    [MemberData(nameof(Schemas))]
    public void What_the_model_writes_holds(string text)
    {
        using var schema = JsonDocument.Parse(text);
        var grammar = GrammarFromSchema.Convert(schema.RootElement);
        foreach (var (temperature, seed) in new[] { (0f, 1), (1.5f, 2), (1.5f, 3) })
        {
            var (answer, ended) = Generate(grammar, "Write JSON.", temperature, seed, 100);
            Assert.InRange(Gbnf.Parse(grammar).Rest(answer), ended ? 0 : -1, 0);
            if (!ended) continue;
            using var document = JsonDocument.Parse(answer);
            Assert.True(SchemaOracle.Holds(schema.RootElement, document.RootElement), answer);
        }
    }

    [Fact]
    public void Any_object_is_taken()
    {
        var (answer, ended) = Generate(GrammarFromSchema.AnyObject, "Describe a dog as JSON.", 0, 1, 80);
        Assert.InRange(Gbnf.Parse(GrammarFromSchema.AnyObject).Rest(answer), ended ? 0 : -1, 0);
    }

    [Theory]
    [InlineData(ToolFamily.Generic), InlineData(ToolFamily.Hermes), InlineData(ToolFamily.Llama3), InlineData(ToolFamily.MistralArgs), InlineData(ToolFamily.QwenXml)]
    public void A_forced_call_is_made_and_read(ToolFamily family)
    {
        var request = Tests.Tools.Tools.Request("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"add\"}},\"parallel_tool_calls\":false");
        var grammar = ToolGrammar.Build(request, family)!;
        var reader = new AnswerReader(new AnswerForm(request, family), new SeededToolCallIds(1, family));
        var (answer, ended) = Generate(grammar.Whole, "What is 2 + 3?", 0.8f, 5, 150);
        var message = AnswerMessage.From([.. reader.Push(answer), .. reader.Finish()]);
        var call = Assert.Single(message.Calls);
        Assert.Equal("add", call.Name);
        Assert.Null(message.Content);
        if (!ended) return;
        using var arguments = JsonDocument.Parse(call.Arguments);
        Assert.True(SchemaOracle.Holds(request.Tools[0].Parameters!.Value, arguments.RootElement), call.Arguments);
    }

    /// <summary>All of these load: large counts, long names, free text before calls.</summary>
    [Fact]
    public void Libllama_takes_large_grammars()
    {
        foreach (var text in new[]
        {
            "{\"type\":\"string\",\"minLength\":5000,\"maxLength\":100000}",
            "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\",\"minimum\":-2.5}}},\"maxItems\":5000}",
            "{\"type\":\"string\",\"format\":\"uri\",\"maxLength\":2083}",
            "{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{" + string.Join(',', Enumerable.Range(0, 150).Select(i => $"\"property {i}\":{{\"type\":\"string\",\"format\":\"date-time\"}}")) + "}}",
        })
        {
            using var schema = JsonDocument.Parse(text);
            using var sampler = _session.CreateSampler(new SamplerOptions { Grammar = GrammarFromSchema.Convert(schema.RootElement) });
        }

        foreach (var family in Enum.GetValues<ToolFamily>())
        {
            var grammar = ToolGrammar.Build(Tests.Tools.Tools.Request(), family, Worker.Reasoning.ReasoningTags.Think)!;
            using var whole = _session.CreateSampler(new SamplerOptions { Grammar = grammar.Whole });
            using var calls = grammar.Calls is null ? null : _session.CreateSampler(new SamplerOptions { Grammar = grammar.Calls });
        }
    }

    private (string Text, bool Ended) Generate(string grammar, string prompt, float temperature, int seed, int count)
    {
        _session.Memory.Clear();
        using var sampler = _session.CreateSampler(new SamplerOptions { Temperature = temperature, Seed = (uint)seed, Grammar = grammar });
        var tokens = _model.Vocabulary.Tokenize($"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n", addSpecial: false, parseSpecial: true);
        var batch = new TokenBatch(_session.Info.BatchSize);
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, 0, logits: i == tokens.Length - 1);
        Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        var bytes = new List<byte>();
        Span<byte> piece = stackalloc byte[256];
        var last = tokens.Length - 1;
        for (var position = tokens.Length; position < tokens.Length + count; position++)
        {
            var token = sampler.Sample(last);
            if (_model.Vocabulary.IsEndOfGeneration(token)) return (Encoding.UTF8.GetString([.. bytes]), true);
            bytes.AddRange(piece[.._model.Vocabulary.Piece(token, piece, special: true)]);
            batch.Clear();
            last = batch.Add(token, position, 0, logits: true);
            Assert.Equal(DecodeStatus.Done, _session.Decode(batch));
        }

        // A token may end in the middle of a character.
        return (Encoding.UTF8.GetString([.. bytes]).TrimEnd('\uFFFD'), false);
    }
}
