namespace FinerCut.Runtime.Native;

/// <summary>Where the natives come from.</summary>
public sealed record NativeRuntimeOptions
{
    /// <summary>Environment variable that overrides the folder of the natives.</summary>
    public const string FolderVariable = "FINERCUT_NATIVES";

    /// <summary>Folder with libllama, libggml and its backends; null = the environment variable, then the folder beside the program that the build fills.</summary>
    public string? Folder { get; init; }

    /// <summary>Null where neither option nor variable names one.</summary>
    internal string? WantedFolder()
    {
        var folder = Folder;
        if (string.IsNullOrEmpty(folder)) folder = Environment.GetEnvironmentVariable(FolderVariable);
        return string.IsNullOrEmpty(folder) ? null : Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
    }
}
