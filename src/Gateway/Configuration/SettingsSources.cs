using FinerCut.Words;
using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>
/// Where settings come from, weakest first: appsettings.json, environment (FINERCUT_Listen__Port), command line (--Listen:Port 9000). The content root,
/// from which relative paths count, is the working directory: an installed program's own folder is replaced by the next version, state must not lie there.
/// </summary>
public static class SettingsSources
{
    public const string FileName = "appsettings.json";
    public const string EnvironmentPrefix = "FINERCUT_";

    /// <summary>The settings file: the content root's, else the one that came with the program.</summary>
    public static string FileOf(string contentRoot)
    {
        var own = Path.Combine(contentRoot, FileName);
        var beside = Path.Combine(AppContext.BaseDirectory, FileName);
        return File.Exists(own) || !File.Exists(beside) ? own : beside;
    }

    /// <exception cref="ConfigException">The file is not JSON, or the command line is not pairs of key and value.</exception>
    public static IConfigurationRoot Load(string contentRoot, string[] arguments)
    {
        if (Malformed(arguments) is { } wrong)
        {
            var meant = NearestName.To(wrong, ["--help", "--version"]) is { } nearest ? $"; did you mean {nearest}?" : "";
            throw new ConfigException([new ConfigError("command line", wrong, "expected --Section:Key value, such as --Listen:Port 9000" + meant)]);
        }

        try
        {
            return new ConfigurationBuilder()
                .AddJsonFile(FileOf(contentRoot), optional: true, reloadOnChange: false)
                .AddEnvironmentVariables(EnvironmentPrefix)
                .AddCommandLine(arguments)
                .Build();
        }
        catch (InvalidDataException exception)
        {
            var cause = exception.InnerException?.Message ?? exception.Message;
            throw new ConfigException([new ConfigError(FileOf(contentRoot), null, "expected JSON: " + cause)]);
        }
    }

    private static string? Malformed(string[] arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            if (!arguments[i].StartsWith("--", StringComparison.Ordinal)) return arguments[i];
            if (arguments[i].Contains('=', StringComparison.Ordinal)) continue;
            if (++i >= arguments.Length) return arguments[i - 1];
        }

        return null;
    }
}
