namespace FinerCut.Gateway.Storage;

/// <summary>The folder in which this gateway keeps everything that outlives it; one gateway at a time, readable by its owner only.</summary>
public sealed class StateFolder : IDisposable
{
    private readonly FileStream _lock;

    private StateFolder(string path, FileStream @lock)
    {
        FullPath = path;
        _lock = @lock;
    }

    public string FullPath { get; }

    /// <summary>Makes the folder when absent and takes it.</summary>
    /// <exception cref="StateFolderException">It cannot be made or written, or another gateway has it.</exception>
    public static StateFolder Open(string path)
    {
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StateFolderException($"The state folder {path} (State:Path) cannot be made: {exception.Message}", exception);
        }

        try
        {
            return new StateFolder(path, new FileStream(Path.Combine(path, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new StateFolderException($"The state folder {path} (State:Path) cannot be written: {exception.Message}", exception);
        }
        catch (IOException exception)
        {
            throw new StateFolderException($"The state folder {path} (State:Path) is in use by another gateway: {exception.Message}", exception);
        }
    }

    public string Of(params string[] parts) => Path.Combine([FullPath, .. parts]);

    public string VersionPath(string modelId, string versionId) => Of("versions", modelId, versionId + ".gguf");

    /// <summary>Writes a small file that is whole or absent, readable by its owner only.</summary>
    public static void WriteWhole(string path, string text)
    {
        var beside = path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using (var file = new FileStream(beside, options))
        {
            file.Write(System.Text.Encoding.UTF8.GetBytes(text));
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, path, overwrite: true);
    }

    public void Dispose() => _lock.Dispose();
}

public sealed class StateFolderException(string message, Exception cause) : IOException(message, cause);
