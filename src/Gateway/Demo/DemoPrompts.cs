using System.Collections.Immutable;

namespace FinerCut.Gateway.Demo;

/// <summary>One question of the demo, with a system message where the prompt list gives one.</summary>
public sealed record DemoPrompt(string? System, string User);

/// <summary>The demo's traffic: Demo/prompts.txt, a prompt a line, "SYSTEM … USER …" for those with a system message.</summary>
public static class DemoPrompts
{
    private const string Resource = "demo.prompts.txt";

    public static ImmutableArray<DemoPrompt> Load()
    {
        using var stream = typeof(DemoPrompts).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The build left out the resource {Resource}.");
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Parse)];
    }

    internal static DemoPrompt Parse(string line)
    {
        const string System = "SYSTEM ";
        const string User = " USER ";
        var user = line.StartsWith(System, StringComparison.Ordinal) ? line.IndexOf(User, StringComparison.Ordinal) : -1;
        return user < 0 ? new DemoPrompt(null, line) : new DemoPrompt(line[System.Length..user], line[(user + User.Length)..]);
    }
}
