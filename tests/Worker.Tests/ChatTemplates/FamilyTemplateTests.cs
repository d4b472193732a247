using System.Text.Json;
using FinerCut.Tests.Serving;
using FinerCut.Worker.ChatTemplates;

namespace FinerCut.Tests.ChatTemplates;

/// <summary>
/// Templates in the manner of the families that people serve (Families/NAME.jinja, written for these tests), and what Python's Jinja makes of them for
/// a conversation (NAME.CONVERSATION.txt): with trim_blocks and lstrip_blocks, as Hugging Face renders them.
/// </summary>
public class FamilyTemplateTests
{
    private static readonly string Folder = Path.Combine(WorkerUnderTest.RepositoryRoot, "tests", "Worker.Tests", "ChatTemplates", "Families");

    public static TheoryData<string, string> Expectations =>
        [.. Directory.GetFiles(Folder, "*.txt").Order().Select(file => Path.GetFileName(file).Split('.')).Select(parts => (parts[0], parts[1]))];

    [Theory]
    [MemberData(nameof(Expectations))]
    public void TheTextIsThatOfTheReference(string family, string conversation)
    {
        using var template = ChatTemplate.Compile(ReadTemplate(family), new TemplateTokens("<s>", "</s>"), TimeProvider.System);
        using var input = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, $"{conversation}.json")));
        JsonElement? tools = input.RootElement.TryGetProperty("tools", out var given) ? given : null;
        Assert.Equal(
            File.ReadAllText(Path.Combine(Folder, $"{family}.{conversation}.txt")),
            template.Render(new TemplateInput(input.RootElement.GetProperty("messages"), tools)));
    }

    [Fact]
    public void NoFamilyIsForgotten() => Assert.Equal(
        ["ChatMl", "CommandR", "DeepSeekR1", "Gemma2", "Gemma3", "Granite", "HermesTools", "Llama2", "Llama3", "Llama31", "MistralV1", "MistralV3Tools", "MistralV7", "Phi3", "Phi4", "Qwen25", "Qwen3"],
        Expectations.Select(row => row.Data.Item1).Distinct().Order(StringComparer.Ordinal));

    [Theory]
    [InlineData("Gemma2", "system", "System role not supported")]
    [InlineData("Llama2", "tools", "Roles must alternate")]
    public void WhatTheTemplateRefusesIsSaidInItsOwnWords(string family, string conversation, string words)
    {
        using var template = ChatTemplate.Compile(ReadTemplate(family), new TemplateTokens("<s>", "</s>"), TimeProvider.System);
        using var input = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, $"{conversation}.json")));
        var refused = Assert.Throws<ChatTemplateException>(() => template.Render(new TemplateInput(input.RootElement.GetProperty("messages"))));
        Assert.Contains(words, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>The file's own last line break is no part of the template.</summary>
    private static string ReadTemplate(string family) => File.ReadAllText(Path.Combine(Folder, $"{family}.jinja")).TrimEnd('\n');
}
