namespace FinerCut.Jobs;

/// <summary>Where a scorer listens.</summary>
/// <param name="Url">Base address.</param>
/// <param name="Key">That it asks for.</param>
public sealed record ScorerAddress(string Url, string Key)
{
    /// <summary>Leaves the key out: records print all their members.</summary>
    public override string ToString() => Url;
}
