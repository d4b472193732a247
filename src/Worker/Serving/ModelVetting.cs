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
            using var file = GgufFile.Open(path);
            return file.Model.Architecture is null ? $"{path}: it names no architecture (general.architecture), so it is no model." : null;
        }
        catch (GgufException exception)
        {
            return exception.Message;
        }
    }
}
