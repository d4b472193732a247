namespace FinerCut.Gguf.Tests;

/// <summary>A folder of the test's own that goes when the test ends.</summary>
public sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("gguf-test-").FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    /// <summary>The embedded model of the repository.</summary>
    public static string EmbeddedModel { get; } = FindModel();

    private static string FindModel()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = System.IO.Path.Combine(folder.FullName, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");
            if (File.Exists(path)) return path;
        }
        throw new FileNotFoundException("models/SmolLM2-135M-Instruct.Q4_1.gguf above the test's folder");
    }
}
