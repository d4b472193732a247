namespace FinerCut.Worker.OpenAi;

/// <summary>The weight of the key that a request came with.</summary>
internal static class KeyWeight
{
    private static readonly object Item = new();

    public static void Set(HttpContext http, double weight) => http.Items[Item] = weight;

    /// <summary>1 where keys have none.</summary>
    public static double Of(HttpContext http) => http.Items.TryGetValue(Item, out var weight) && weight is double value ? value : 1;
}
