using Orleans.Runtime;

namespace FinerCut.Cluster.Hosting;

/// <summary>How a grain that is the one owner of something writes it down, and how others see that the owner has gone.</summary>
internal static class OwnedState
{
    /// <summary>Whether a call failed since its owner's machine has just gone: another takes over, and the call may be made again.</summary>
    public static bool IsBetweenOwners(Exception failure) => failure is OrleansException or TimeoutException;

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
