using System.CommandLine;
using System.Globalization;
using FinerCut.Gguf;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands.Downloads;

/// <summary><c>models pull ADDRESS</c>: fetches a model file, goes on where an earlier try stopped, checks it before it gets its name.</summary>
internal static class PullCommand
{
    public static Command Create()
    {
        var address = new Argument<Uri>("ADDRESS")
        {
            Description = "http or https address of a GGUF file.",
            CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var read) && read.Scheme is "http" or "https" ? read : Wrong(result),
        };
        var output = new Option<DirectoryInfo>("--output", "-o") { Description = "Folder for the file (default: models).", DefaultValueFactory = _ => new DirectoryInfo("models") };
        var sha256 = new Option<string?>("--sha256") { Description = "What the file's SHA-256 must be, 64 hexadecimal digits." };
        sha256.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(token.Value.Length == 64 && token.Value.All(char.IsAsciiHexDigit))) result.AddError("--sha256: expected 64 hexadecimal digits.");
        });
        var command = new Command("pull", "Fetches a model file, with resume, disk-space check and hash; says how to serve it.") { address, output, sha256 };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var source = parsed.GetRequiredValue(address);
            if (FileNameOf(source) is not { } name)
            {
                await Console.Error.WriteLineAsync($"{source}: expected an address that ends with the name of a .gguf file.");
                return ExitCode.BadInput;
            }

            var target = Path.Combine(parsed.GetRequiredValue(output).FullName, name);
            try
            {
                using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
                var hash = await new ModelDownload(http, TimeProvider.System).RunAsync(source, target, parsed.GetValue(sha256), new Meter(), cancellationToken);
                Console.WriteLine($"{target}\nsha256 {hash}\nTo serve it: \"Models\": {{ \"{Path.GetFileNameWithoutExtension(target)}\": {{ \"Path\": \"{target}\", \"Sha256\": \"{hash}\" }} }} in appsettings.json");
                return ExitCode.Success;
            }
            catch (DownloadException exception)
            {
                await Console.Error.WriteLineAsync(exception.Message);
                return exception.ExitCode;
            }
            catch (OperationCanceledException)
            {
                await Console.Error.WriteLineAsync("Stopped; the same command goes on where this one stopped.");
                return ExitCode.Interrupted;
            }
        });
        return command;
    }

    /// <summary>Null where the address does not end with the bare name of a .gguf file; an escaped slash would lead out of the folder.</summary>
    internal static string? FileNameOf(Uri source)
    {
        var name = Uri.UnescapeDataString(Path.GetFileName(source.AbsolutePath));
        return name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && name.AsSpan().IndexOfAny("/\\\0") < 0 ? name : null;
    }

    private static Uri? Wrong(System.CommandLine.Parsing.ArgumentResult result)
    {
        result.AddError($"{result.Tokens[0].Value}: expected an http or https address.");
        return null;
    }

    /// <summary>On a terminal one line that moves; otherwise a line each tenth.</summary>
    private sealed class Meter : IProgress<DownloadProgress>
    {
        private int _tenth = -1;

        public void Report(DownloadProgress value)
        {
            var share = value.Total is > 0 and var total ? value.Done / (double)total : 0;
            var line = string.Create(CultureInfo.InvariantCulture, $"{value.Done / 1e6:F1} of {(value.Total is { } all ? $"{all / 1e6:F1}" : "?")} MB, {value.BytesPerSecond / 1e6:F1} MB/s, {(value.Eta is { } eta ? $"{eta.TotalSeconds:F0} s to go" : "end unknown")}");
            if (!Console.IsErrorRedirected) Console.Error.Write($"\r{line,-70}{(value.Done == value.Total ? "\n" : "")}");
            else if ((int)(share * 10) > _tenth) Console.Error.WriteLine(line);
            _tenth = (int)(share * 10);
        }
    }
}
