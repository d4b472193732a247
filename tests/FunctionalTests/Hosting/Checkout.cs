namespace FinerCut.FunctionalTests.Hosting;

/// <summary>Where things lie that tests start: the checkout's root and the programs that were built with these tests.</summary>
internal static class Checkout
{
    public const string ModelId = "smollm2-135m";

    public static string Root { get; } = FindRoot();

    public static string Model { get; } = Path.Combine(Root, "models", "SmolLM2-135M-Instruct.Q4_1.gguf");

    public static string Gateway { get; } = Program("Gateway", "finercut");

    public static string Worker { get; } = Program("Worker", "FinerCut.Worker");

    public static string FakeWorker { get; } = Program("FakeWorker", "FinerCut.FakeWorker");

    private static string Program(string project, string name)
    {
        // artifacts/bin/FunctionalTests/<configuration>/ → artifacts/bin/<project>/<configuration>/
        var configuration = Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.Combine(Root, "artifacts", "bin", project, configuration, name);
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "FinerCut.Gateway.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"No FinerCut.Gateway.sln above {AppContext.BaseDirectory}.");
    }
}
