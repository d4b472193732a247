using Microsoft.Extensions.Configuration;

namespace FinerCut.Gateway.Configuration;

/// <summary>Where settings come from, weakest first: appsettings.json, environment (FINERCUT_Listen__Port), command line (--Listen:Port 9000).</summary>
public static class SettingsSources
{
    public const string FileName = "appsettings.json";
    public const string EnvironmentPrefix = "FINERCUT_";

    /// <summary>The folder of the settings file: the working directory's, else beside the program.</summary>
    public static string ContentRoot(string workingDirectory) =>
        File.Exists(Path.Combine(workingDirectory, FileName)) || !File.Exists(Path.Combine(AppContext.BaseDirectory, FileName))
            ? workingDirectory
            : AppContext.BaseDirectory;

    /// <exception cref="ConfigException">The file is not JSON, or the command line is not pairs of key and value.</exception>
    public static IConfigurationRoot Load(string contentRoot, string[] arguments)
    {
        if (Malformed(arguments) is { } wrong)
        {
            throw new ConfigException([new ConfigError("command line", wrong, "expected --Section:Key value, such as --Listen:Port 9000")]);
        }

        try
        {
            return new ConfigurationBuilder()
                .AddJsonFile(Path.Combine(contentRoot, FileName), optional: true, reloadOnChange: false)
                .AddEnvironmentVariables(EnvironmentPrefix)
                .AddCommandLine(arguments)
                .Build();
        }
        catch (InvalidDataException exception)
        {
            var cause = exception.InnerException?.Message ?? exception.Message;
            throw new ConfigException([new ConfigError(Path.Combine(contentRoot, FileName), null, "expected JSON: " + cause)]);
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
