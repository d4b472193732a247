namespace FinerCut.Runtime.Native;

/// <summary>Where the natives come from.</summary>
public sealed record NativeRuntimeOptions
{
    /// <summary>Environment variable that overrides the folder of the natives.</summary>
    public const string FolderVariable = "FINERCUT_NATIVES";

    /// <summary>Folder with libllama, libggml and its backends; null = the environment variable, then natives/ beside the program.</summary>
    public string? Folder { get; init; }

    internal string ResolveFolder()
    {
        var folder = Folder;
        if (string.IsNullOrEmpty(folder)) folder = Environment.GetEnvironmentVariable(FolderVariable);
        if (string.IsNullOrEmpty(folder)) folder = Path.Combine(AppContext.BaseDirectory, "natives");
        return Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
    }
}
