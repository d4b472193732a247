namespace FinerCut.Tests.Deploy;

/// <summary>The files that are deployed, and the program that was built with these tests.</summary>
internal static class Checkout
{
    public static string Root { get; } = FindRoot();

    public static string In(params string[] path) => Path.Combine([Root, .. path]);

    /// <summary>What the image has as /app.</summary>
    public static string App { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../Gateway", new DirectoryInfo(AppContext.BaseDirectory).Name));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FinerCut.Gateway.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"No FinerCut.Gateway.sln above {AppContext.BaseDirectory}.");
    }
}
