namespace FinerCut.FakeWorker;

/// <summary>The contract: the end of standard input is the end of whoever started this process, and so of this process.</summary>
internal static class Supervision
{
    public static void Begin() => _ = Task.Run(async () =>
    {
        var buffer = new byte[256];
        await using var input = Console.OpenStandardInput();
        while (await input.ReadAsync(buffer) > 0)
        {
        }

        Environment.Exit(0);
    });
}
