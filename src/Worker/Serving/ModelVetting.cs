using FinerCut.Gguf;

namespace FinerCut.Worker.Serving;

/// <summary>Looks a model file over before native code, which would trust it, does.</summary>
internal static class ModelVetting
{
    /// <summary>Null where the file is sound; otherwise one line that says what is wrong and what to do.</summary>
    /// <param name="option">What named the file.</param>
    /// <param name="ranks">It needs a head that ranks: without one llama.cpp gives numbers that mean nothing.</param>
    public static string? Fault(string path, string option = "--model", bool ranks = false)
    {
        if (Directory.Exists(path)) return $"{path} is a folder; {option} takes a GGUF file.";
        if (!File.Exists(path)) return $"{path} does not exist. Give {option} the path of a GGUF file.";
        try
        {
            var report = GgufCheck.Check(path);
            if (!report.IsSound) return $"{path}: {report.Defects[0]}{(report.Defects.Count > 1 ? $" (and {report.Defects.Count - 1} more: gguf check {path})" : "")}";
            return ranks && !report.Model.Tensors.Any(tensor => tensor.Name is "cls.weight" or "cls.output.weight")
                ? $"{path} has no rank head (cls.weight, cls.output.weight): --reranking needs a model that was trained to rank."
                : null;
        }
        catch (GgufException exception)
        {
            return exception.Message;
        }
    }
}
