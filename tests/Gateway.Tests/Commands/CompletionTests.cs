using System.Diagnostics;
using FinerCut.Gateway.Commands;

namespace FinerCut.Gateway.Tests.Commands;

/// <summary>The scripts of finercut completion in the shells themselves, where they are installed; a program that knows some words stands in for finercut.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finercut-completion-").FullName;

    public CompletionTests()
    {
        // Answers as finercut does: with the words that may stand at the end of the line that it is given.
        File.WriteAllText(Path.Combine(_folder, "finercut"), """
            #!/bin/sh
            case "$2" in
              *--Listen*) printf '%s\n' --Listen:Address --Listen:Port ;;
              *"jobs "*) printf '%s\n' list start show ;;
              *) printf '%s\n' jobs models ;;
            esac
            """);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(Path.Combine(_folder, "finercut"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        foreach (var shell in (string[])["bash", "zsh", "fish"]) File.WriteAllText(Path.Combine(_folder, "script." + shell), Completion.Script(shell));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("finercut mo", "models")]
    [InlineData("finercut jobs st", "start")]
    [InlineData("finercut serve --Listen:Po", "Port")]
    public async Task Bash_completes(string line, string word)
    {
        // As readline calls it: words are parted at colons too, and only what stands behind the last one is replaced.
        var replies = await RunAsync("bash", $"""
            source '{_folder}/script.bash'
            COMP_LINE='{line}' COMP_POINT={line.Length} COMP_WORDBREAKS=$' \t\n:=' COMP_WORDS=(finercut x) COMP_CWORD=1
            _finercut
            printf '%s\n' "${"{"}COMPREPLY[@]{"}"}"
            """);
        Assert.Equal([word], replies);
    }

    [Theory]
    [InlineData("finercut mo", "models")]
    [InlineData("finercut jobs st", "start")]
    [InlineData("finercut serve --Listen:Po", "--Listen:Port")]
    public async Task Fish_completes(string line, string word)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/fish"), "fish is not installed.");
        var replies = await RunAsync("fish", $"source '{_folder}/script.fish'; complete -C '{line}'");
        Assert.Contains(word, replies);
    }

    [Fact]
    public async Task Zsh_takes_the_script()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/zsh"), "zsh is not installed.");
        Assert.Contains("_finercut", string.Join(' ', await RunAsync("zsh", $"autoload -U compinit && compinit -u -D; source '{_folder}/script.zsh'; print -r -- $_comps[finercut]")), StringComparison.Ordinal);
    }

    private async Task<string[]> RunAsync(string shell, string script)
    {
        var start = new ProcessStartInfo(shell, ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = _folder + Path.PathSeparator + Environment.GetEnvironmentVariable("PATH");
        start.Environment["HOME"] = _folder;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
