using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FinerCut.CommandLine;
using FinerCut.Gguf;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands.Downloads;

/// <summary><c>models pull ADDRESS</c> and <c>models import FILE</c>: bring a model file into the folder of models, checked before it gets its name.</summary>
internal static class PullCommand
{
    private const string BaseVariable = "FCG_MODELS";

    public static Command Create()
    {
        var address = new Argument<string>("ADDRESS") { Description = "http or https address of a GGUF file, or its name below the base address." };
        var from = new Option<Uri?>("--base") { Description = $"Base address that names start from [default: {BaseVariable}]" };
        var (output, sha256) = (Output(), Sha256());
        var command = new Command("pull", "Fetches a model file, with resume, disk-space check and hash; says how to serve it.") { address, from, output, sha256 };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var given = parsed.GetRequiredValue(address);
            if (SourceOf(given, parsed.GetValue(from)?.ToString() ?? Environment.GetEnvironmentVariable(BaseVariable)) is not { } source || FileNameOf(source) is not { } name)
            {
                await Console.Error.WriteLineAsync($"{given}: expected the http or https address of a .gguf file, or the name of one below --base (or {BaseVariable}).");
                return ExitCode.BadInput;
            }

            return await RunAsync(parsed, Path.Combine(parsed.GetRequiredValue(output).FullName, name), (download, target) =>
                download.RunAsync(source, target, parsed.GetValue(sha256), new Meter(), cancellationToken));
        });
        return command;
    }

    public static Command Import()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "A GGUF file on this machine." };
        var (output, sha256) = (Output(), Sha256());
        var command = new Command("import", "Copies a model file into the folder of models once it is known to be sound; says how to serve it.") { file, output, sha256 };
        command.SetAction((parsed, cancellationToken) =>
        {
            var source = parsed.GetRequiredValue(file);
            return RunAsync(parsed, Path.Combine(parsed.GetRequiredValue(output).FullName, source.Name), (download, target) =>
                download.ImportAsync(source.FullName, target, parsed.GetValue(sha256), new Meter(), cancellationToken));
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, string target, Func<ModelDownload, string, Task<string>> bring)
    {
        try
        {
            using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
            var hash = await bring(new ModelDownload(http, TimeProvider.System), target);
            if (!Listing.AsJson(parsed, new JsonObject { ["path"] = target, ["bytes"] = new FileInfo(target).Length, ["sha256"] = hash }))
            {
                Console.WriteLine($"{target}\nsha256 {hash}\nTo serve it: \"Models\": {{ \"{Path.GetFileNameWithoutExtension(target)}\": {{ \"Path\": \"{target}\", \"Sha256\": \"{hash}\" }} }} in appsettings.json");
            }

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
    }

    private static Option<DirectoryInfo> Output() => new("--output", "-o") { Description = "Folder for the file", DefaultValueFactory = _ => new DirectoryInfo("models") };

    private static Option<string?> Sha256()
    {
        var sha256 = new Option<string?>("--sha256") { Description = "What the file's SHA-256 must be, 64 hexadecimal digits [default: any]" };
        sha256.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !(token.Value.Length == 64 && token.Value.All(char.IsAsciiHexDigit))) result.AddError("--sha256: expected 64 hexadecimal digits.");
        });
        return sha256;
    }

    /// <summary>An address as it is given, or of a name below the base address; null where it is neither.</summary>
    internal static Uri? SourceOf(string given, string? start)
    {
        if (given.Contains("://", StringComparison.Ordinal)) return Web(given);
        return start is not null && Web(start.TrimEnd('/') + '/') is { } root && Uri.TryCreate(root, given, out var below) && root.IsBaseOf(below) ? below : null;
    }

    private static Uri? Web(string text) => Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address : null;

    /// <summary>Null where the address does not end with the bare name of a .gguf file; an escaped slash would lead out of the folder.</summary>
    internal static string? FileNameOf(Uri source)
    {
        var name = Uri.UnescapeDataString(Path.GetFileName(source.AbsolutePath));
        return name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) && name.AsSpan().IndexOfAny("/\\\0") < 0 ? name : null;
    }

    /// <summary>On a terminal one line that moves; otherwise a line each tenth.</summary>
    private sealed class Meter : IProgress<DownloadProgress>
    {
        private int _tenth = -1;

        public void Report(DownloadProgress value)
        {
            var share = value.Total is > 0 and var total ? value.Done / (double)total : 0;
            var line = string.Create(CultureInfo.InvariantCulture, $"{value.Done / 1e6:F1} of {(value.Total is { } all ? $"{all / 1e6:F1}" : "?")} MB, {value.BytesPerSecond / 1e6:F1} MB/s, {(value.Eta is { } eta ? $"{eta.TotalSeconds:F0} s to go" : "end unknown")}");
            if (!Console.IsErrorRedirected) Console.Error.Write($"\r{ProgressBar.Of(value.Total is > 0 ? share : null)} {line,-60}{(value.Done == value.Total ? "\n" : "")}");
            else if ((int)(share * 10) > _tenth) Console.Error.WriteLine(line);
            _tenth = (int)(share * 10);
        }
    }
}
