namespace FinerCut.Tests;

/// <summary>The embedded model's file.</summary>
internal static class EmbeddedModel
{
    public static string Full
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!Directory.Exists(Path.Combine(folder, "models"))) folder = Path.GetDirectoryName(folder)!;
            return Path.Combine(folder, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        }
    }
}
