using System.Text.RegularExpressions;

namespace FinerCut.FunctionalTests.Docs;

/// <param name="Line">Of the fence, from 1.</param>
/// <param name="Language">As the fence says; empty where it says none.</param>
/// <param name="Mark">The comment right before the fence: <c>not run: …</c> or <c>stopped after N s</c>; null where there is none.</param>
internal sealed record DocBlock(int Line, string Language, string? Mark, string Text);

/// <summary>A page of the documentation, and the fenced blocks in it.</summary>
internal sealed partial class DocPage
{
    /// <summary>Languages whose blocks a reader would copy and run.</summary>
    public static readonly IReadOnlySet<string> Runnable = new HashSet<string> { "sh", "json", "js", "python" };

    private DocPage(string name, IReadOnlyList<DocBlock> blocks) => (Name, Blocks) = (name, blocks);

    public string Name { get; }

    public IReadOnlyList<DocBlock> Blocks { get; }

    public static IReadOnlyList<string> Names(string root) =>
        ["README.md", .. Directory.EnumerateFiles(Path.Combine(root, "docs"), "*.md").Select(file => "docs/" + Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public static DocPage Read(string root, string name)
    {
        var lines = File.ReadAllLines(Path.Combine(root, name));
        var blocks = new List<DocBlock>();
        for (var at = 0; at < lines.Length; at++)
        {
            if (Fence().Match(lines[at]) is not { Success: true } fence) continue;
            var end = Array.FindIndex(lines, at + 1, line => line.TrimEnd() == "```");
            if (end < 0) throw new InvalidDataException($"{name}:{at + 1}: the block has no end.");
            var before = Enumerable.Range(1, 2).Select(back => at - back >= 0 ? lines[at - back] : "").FirstOrDefault(line => line.Trim().Length > 0) ?? "";
            blocks.Add(new DocBlock(at + 1, fence.Groups[1].Value, Comment().Match(before) is { Success: true } mark ? mark.Groups[1].Value.Trim() : null, string.Join('\n', lines[(at + 1)..end])));
            at = end;
        }

        return new DocPage(name, blocks);
    }

    [GeneratedRegex("^```(\\w*)")]
    private static partial Regex Fence();

    [GeneratedRegex("^<!--(.*)-->$")]
    private static partial Regex Comment();
}
