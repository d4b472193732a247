using FinerCut.Gateway.Configuration;
using FinerCut.Gguf;

namespace FinerCut.Gateway.Storage;

/// <summary>Model files are looked at before a worker may open them: native code trusts what it reads.</summary>
public static class ModelFiles
{
    private const int MostDefects = 3;

    /// <summary>Null when the file is a whole GGUF with the hash that the settings ask for; otherwise what is wrong.</summary>
    public static async Task<ConfigError?> VetAsync(ModelConfig model, FileHashes hashes, CancellationToken cancellationToken)
    {
        var where = $"Models:{model.Id}";
        if (Problem(model.Path) is { } problem) return new ConfigError(where + ":Path", model.Path, problem);
        if (model.Sha256 is null) return null;
        var actual = await hashes.Sha256Async(model.Path, cancellationToken);
        return actual == model.Sha256 ? null : new ConfigError(where + ":Sha256", model.Sha256, $"the file {model.Path} has {actual}: it is another file, or it was damaged");
    }

    /// <summary>
    /// Null when the file and the model in it are in order: every length, count and offset, and what llama.cpp would abort on; otherwise the
    /// first defects. Of a split model the first file; the others are checked with it.
    /// </summary>
    public static string? Problem(string path)
    {
        try
        {
            var report = GgufCheck.Check(path);
            if (report.IsSound) return null;
            var more = report.Defects.Count - MostDefects;
            return string.Join("; ", report.Defects.Take(MostDefects)) + (more > 0 ? $"; and {more} more: gguf check {path}" : "");
        }
        catch (GgufException exception)
        {
            return exception.Message;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return $"the file cannot be read: {exception.Message}";
        }
    }
}
