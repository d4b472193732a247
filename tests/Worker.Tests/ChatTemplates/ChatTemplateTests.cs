using System.Text.Json;
using FinerCut.Worker.ChatTemplates;

namespace FinerCut.Tests.ChatTemplates;

public class ChatTemplateTests
{
    private const string Llama3 =
        "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
        + "+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";

    private static readonly TemplateTokens Tokens = new("<s>", "</s>");

    [Fact]
    public void AFileWithoutTemplateIsRenderedAsChatMl()
    {
        using var template = ChatTemplate.Compile(null, Tokens, TimeProvider.System);
        Assert.True(template.IsFallback);
        Assert.Equal(
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
            template.Render(new TemplateInput(Messages("""[{"role":"system","content":"Be kind."},{"role":"user","content":"hi"}]"""))));
    }

    [Fact]
    public void AModelsOwnTemplateIsFollowed()
    {
        using var template = ChatTemplate.Compile(Llama3, Tokens, TimeProvider.System);
        Assert.False(template.IsFallback);
        Assert.Equal(
            "<s><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            template.Render(new TemplateInput(Messages("""[{"role":"user","content":" hi "}]"""))));
    }

    [Fact]
    public void PartsAreJoinedForTemplatesThatTakeText()
    {
        using var template = ChatTemplate.Compile(null, Tokens, TimeProvider.System);
        var text = template.Render(new TemplateInput(Messages("""[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]""")));
        Assert.Contains("user\na\nb<|im_end|>", text, StringComparison.Ordinal);
    }

    [Fact]
    public void TextBecomesPartsForTemplatesThatTakeParts()
    {
        const string source = "{% for m in messages %}[{{ m.role }}]{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}";
        using var template = ChatTemplate.Compile(source, Tokens, TimeProvider.System);
        Assert.Equal("[user]hello", template.Render(new TemplateInput(Messages("""[{"role":"user","content":"hello"}]"""))));
    }

    [Fact]
    public void AConversationSaysWhereItsAnswerBegins()
    {
        foreach (var source in (string?[])[null, Llama3])
        {
            using var template = ChatTemplate.Compile(source, Tokens, TimeProvider.System);
            var messages = Messages("""[{"role":"user","content":"hi"}]""");
            var conversation = template.RenderConversation(messages, "Hello there!");
            Assert.Equal(template.Render(new TemplateInput(messages)), conversation.Text[..conversation.AnswerStart]);
            Assert.StartsWith("Hello there!", conversation.Text[conversation.AnswerStart..], StringComparison.Ordinal);
            Assert.True(conversation.Text.Length > conversation.AnswerStart + "Hello there!".Length, "what closes the answer is part of it");
        }
    }

    [Fact]
    public void ATemplateThatRewritesEarlierTurnsStillBeginsAsServed()
    {
        const string source = "{% for m in messages %}{{ loop.last and m.role == 'user' and '!' or '' }}{{ m.content }};{% endfor %}{% if add_generation_prompt %}>{% endif %}";
        using var template = ChatTemplate.Compile(source, Tokens, TimeProvider.System);
        var conversation = template.RenderConversation(Messages("""[{"role":"user","content":"hi"}]"""), "yes");
        Assert.Equal("!hi;>yes;", conversation.Text);
        Assert.Equal(5, conversation.AnswerStart);
    }

    [Fact]
    public void TheTemplatesOwnRefusalIsPassedOn()
    {
        using var template = ChatTemplate.Compile("{{ raise_exception('roles must alternate') }}", Tokens, TimeProvider.System);
        var exception = Assert.Throws<ChatTemplateException>(() => template.Render(new TemplateInput(Messages("""[{"role":"user","content":"x"}]"""))));
        Assert.Contains("roles must alternate", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{% for %}")]
    [InlineData("{{ unclosed")]
    [InlineData("{% nonsense %}")]
    public void WhatIsNoJinjaIsRefused(string source) => Assert.Throws<ChatTemplateException>(() => ChatTemplate.Compile(source, Tokens, TimeProvider.System));

    [Fact]
    public void AnEndlessTemplateIsStopped()
    {
        const string source = "{% if messages[0].content == 'go' %}{% for i in range(100000000) %}{% for j in range(100000000) %}{% endfor %}{% endfor %}{% endif %}";
        using var template = ChatTemplate.Compile(source, Tokens, TimeProvider.System);
        Assert.Throws<ChatTemplateException>(() => template.Render(new TemplateInput(Messages("""[{"role":"user","content":"go"}]"""))));
        template.Render(new TemplateInput(Messages("""[{"role":"user","content":"x"}]""")));
    }

    [Theory]
    [InlineData("{{ process }}{{ require }}{{ System }}{{ importNamespace }}", "")]
    [InlineData("{{ strftime_now('%%') }}", "%")]
    public void ATemplateSeesNothingOfItsHost(string source, string expected)
    {
        using var template = ChatTemplate.Compile(source, Tokens, TimeProvider.System);
        Assert.Equal(expected, template.Render(new TemplateInput(Messages("""[{"role":"user","content":"x"}]"""))));
    }

    /// <summary>In turn on the same machine, so that its load hits both; <c>ServeBench --template</c> says how long it takes.</summary>
    [Fact]
    public void ATemplateIsCompiledOnceForAllRenders()
    {
        using var template = ChatTemplate.Compile(Llama3, Tokens, TimeProvider.System);
        var turns = string.Join(',', Enumerable.Range(0, 10).Select(i => $$"""{"role":"{{(i % 2 == 0 ? "user" : "assistant")}}","content":"turn {{i}} {{new string('x', 200)}}"}"""));
        var input = new TemplateInput(Messages($"[{turns}]"));
        for (var i = 0; i < 30; i++) template.Render(input);
        var (render, compile) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (var i = 0; i < 20; i++)
        {
            render = Least(render, () => template.Render(input));
            compile = Least(compile, () => ChatTemplate.Compile(Llama3, Tokens, TimeProvider.System).Dispose());
        }

        Assert.True(render * 2 < compile, $"{render.TotalMilliseconds} ms a render, {compile.TotalMilliseconds} ms a compilation");

        static TimeSpan Least(TimeSpan least, Action what)
        {
            var began = TimeProvider.System.GetTimestamp();
            what();
            var took = TimeProvider.System.GetElapsedTime(began);
            return took < least ? took : least;
        }
    }

    private static JsonElement Messages(string json) => JsonDocument.Parse(json).RootElement;
}
