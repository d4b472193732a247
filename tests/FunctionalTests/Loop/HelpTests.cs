using System.Text.RegularExpressions;
using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.Loop;

/// <summary>The help of every verb, as it is printed; no gateway runs.</summary>
public sealed partial class HelpTests
{
    [Fact]
    public async Task Every_verb_tells_every_option_with_what_it_is_and_its_default()
    {
        List<string> faults = [];
        var seen = 0;
        await WalkAsync([]);
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.True(seen > 40, $"only {seen} verbs");

        async Task WalkAsync(string[] verb)
        {
            var help = await HelpAsync(verb);
            var name = $"finercut {string.Join(' ', verb)}".TrimEnd();
            seen++;
            var (isOption, isVerb) = (false, false);
            foreach (var line in help.Split('\n'))
            {
                if (line.Length > 0 && line[0] != ' ') (isOption, isVerb) = (line.StartsWith("Options:", StringComparison.Ordinal), line.StartsWith("Commands:", StringComparison.Ordinal));
                if (line.StartsWith("  -", StringComparison.Ordinal) && isOption)
                {
                    var (option, about) = Option().Match(line) is { Success: true } match ? (match.Groups[1].Value, match.Groups[2].Value) : (line, "");
                    if (about.Length < 8) faults.Add($"{name}: {option} does not say what it is");

                    // What takes a value says which it is taken for where none is given; what takes none is off then.
                    if (option.Contains('<', StringComparison.Ordinal) && !about.Contains("[default: ", StringComparison.Ordinal) && !option.Contains("(REQUIRED)", StringComparison.Ordinal)) faults.Add($"{name}: {option} has no default: {about}");
                    if (Regex.Count(about, @"\[default: ") > 1 || Regex.IsMatch(about, @"\[[^\]]*\] \[default: ")) faults.Add($"{name}: {option} has two defaults: {about}");
                }
                else if (isVerb && line.StartsWith("  ", StringComparison.Ordinal))
                {
                    await WalkAsync([.. verb, line.Trim().Split(' ')[0]]);
                }
            }
        }
    }

    [Theory]
    [InlineData("--hlep", "did you mean --help?")]
    [InlineData("prune x --search papr", "did you mean paper?")]
    [InlineData("score --modl x", "did you mean --model?")]
    [InlineData("serve --Listen:Prot 1", "did you mean Listen:Port?")]
    public async Task What_is_wrong_is_one_line_with_the_nearest_right_word(string line, string told)
    {
        await using var process = ChildProcess.Start(Checkout.Gateway, line.Split(' '));
        Assert.Equal(2, await process.WaitForExitAsync(TestContext.Current.CancellationToken));
        var error = Assert.Single(process.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.EndsWith(told, error, StringComparison.Ordinal);
    }

    private static async Task<string> HelpAsync(string[] verb)
    {
        await using var process = ChildProcess.Start(Checkout.Gateway, [.. verb, "--help"]);
        Assert.Equal(0, await process.WaitForExitAsync(TestContext.Current.CancellationToken));
        return process.Output;
    }

    [GeneratedRegex(@"^  (-.*?)(?:  +|(?<=\)) )(\S.*)$")]
    private static partial Regex Option();
}
