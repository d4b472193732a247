using Orleans.Runtime;

namespace FinerCut.Cluster.Hosting;

/// <summary>How a grain that is the one owner of something writes it down.</summary>
internal static class OwnedState
{
    /// <summary>
    /// Writes the state. Where that fails another owner has written, or the database is away: this grain knows nothing for sure any more and goes, and the next call makes one that
    /// reads what is true.
    /// </summary>
    public static async Task WriteOrLeaveAsync<T>(this Grain grain, IPersistentState<T> record)
    {
        try
        {
            await record.WriteStateAsync();
        }
        catch
        {
            grain.DeactivateOnIdle();
            throw;
        }
    }
}
