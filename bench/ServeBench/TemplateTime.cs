using System.Globalization;

namespace FinerCut.ServeBench;

/// <summary>What a render of the chat template costs a request: a conversation of ten turns through /apply-template, against /health for the way there and back.</summary>
internal static class TemplateTime
{
    /// <summary>After so many the engine's code has been compiled for good.</summary>
    private const int WarmUp = 300;

    public static async Task RunAsync(HttpTarget target, int renders, CancellationToken stop)
    {
        var turns = string.Join(',', Enumerable.Range(0, 10).Select(turn => $$"""{"role":"{{(turn % 2 == 0 ? "user" : "assistant")}}","content":"turn {{turn}} {{new string('x', 200)}}"}"""));
        var body = $$"""{"messages":[{{turns}}]}""";
        for (var i = 0; i < WarmUp; i++) await Once();
        var (rendered, bare) = (new List<double>(), new List<double>());
        for (var i = 0; i < renders; i++)
        {
            rendered.Add(await Once());
            bare.Add(await target.TimeAsync(HttpMethod.Get, "/health", null, stop));
        }

        rendered.Sort();
        bare.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"\nten turns rendered, {renders} times: p50 {rendered[renders / 2]:0.00} ms, p99 {rendered[renders * 99 / 100]:0.00} ms with the way there and back, which alone is p50 {bare[renders / 2]:0.00} ms"));

        Task<double> Once() => target.TimeAsync(HttpMethod.Post, "/apply-template", body, stop);
    }
}
