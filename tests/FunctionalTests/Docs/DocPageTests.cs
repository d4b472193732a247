using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Docs;

/// <summary>What can be said of pages without running anything: every block is one that is run or says why not, JSON is JSON, settings are settings, links lead somewhere.</summary>
public sealed partial class DocPageTests
{
    private static readonly JsonDocumentOptions Strict = new() { AllowTrailingCommas = false, CommentHandling = JsonCommentHandling.Disallow };

    public static TheoryData<string> Pages { get; } = [.. DocPage.Names(Checkout.Root)];

    [Theory]
    [MemberData(nameof(Pages))]
    public void What_a_reader_would_copy_is_run_or_says_why_not(string name)
    {
        foreach (var block in DocPage.Read(Checkout.Root, name).Blocks)
        {
            var at = $"{name}:{block.Line}";
            Assert.False(block.Language.Length == 0 && Command().IsMatch(block.Text), $"{at}: commands in a block that says no language; call it sh");
            if (block.Mark is { } mark) Assert.True(DocsTests.Known().IsMatch(mark), $"{at}: the comment '{mark}' is none of 'not run: why' and 'stopped after N s'");
            if (block.Language == "json" && block.Mark is null) Check(at, block.Text);
        }
    }

    /// <summary>Files that pages link to are there.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_lead_somewhere(string name)
    {
        var folder = Path.GetDirectoryName(Path.Combine(Checkout.Root, name))!;
        var links = Link().Matches(File.ReadAllText(Path.Combine(Checkout.Root, name))).Select(link => link.Groups[1].Value).Where(link => !link.Contains("://", StringComparison.Ordinal) && !link.StartsWith('#'));
        Assert.All(links, link => Assert.True(Path.Exists(Path.Combine(folder, link.Split('#')[0])), $"{name} links to {link}, which is not there"));
    }

    private static void Check(string at, string text)
    {
        JsonNode? json = null;
        try
        {
            json = JsonNode.Parse(text, documentOptions: Strict);
        }
        catch (JsonException exception)
        {
            Assert.Fail($"{at}: {exception.Message}");
        }

        // Settings: every key is one that there is.
        var schema = JsonNode.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "docs", "appsettings.schema.json")))!;
        if (json is JsonObject settings && settings.Count > 0 && settings.All(member => char.IsUpper(member.Key[0]))) OpenApi.Described.By(schema, schema, settings, at);
    }

    [GeneratedRegex(@"^\s*(\$ )?(dotnet|curl|finercut|docker|kubectl|npm|git) ", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
