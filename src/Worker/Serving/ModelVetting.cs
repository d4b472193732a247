using FinerCut.Gguf;

namespace FinerCut.Worker.Serving;

/// <summary>Looks a model file over before native code, which would trust it, does.</summary>
internal static class ModelVetting
{
    /// <summary>Null where the file is sound; otherwise one line that says what is wrong and what to do.</summary>
    public static string? Fault(string path)
    {
        if (Directory.Exists(path)) return $"{path} is a folder; --model takes a GGUF file.";
        if (!File.Exists(path)) return $"{path} does not exist. Give --model the path of a GGUF file.";
        try
        {
            return GgufCheck.Check(path) is { IsSound: false } report
                ? $"{path}: {report.Defects[0]}{(report.Defects.Count > 1 ? $" (and {report.Defects.Count - 1} more: gguf check {path})" : "")}"
                : null;
        }
        catch (GgufException exception)
        {
            return exception.Message;
        }
    }
}
