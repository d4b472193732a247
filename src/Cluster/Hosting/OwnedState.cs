using Orleans.Runtime;

namespace FinerCut.Cluster.Hosting;

/// <summary>How a grain that is the one owner of something writes it down, and how others see that the owner has gone.</summary>
internal static class OwnedState
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Whether a call failed since its owner's machine has just gone: another takes over, and the call may be made again.</summary>
    public static bool IsBetweenOwners(Exception failure) => failure is OrleansException or TimeoutException;

    /// <summary>
    /// Asks an owner, and while it has just gone asks the next one, every second. The owner may have gone after it did what it was asked: only what bears being asked twice is asked so.
    /// </summary>
    /// <param name="patience">After so long the failure is the caller's.</param>
    /// <param name="unheard">Told of each failure that is followed by another attempt.</param>
    public static async Task<T> AskAsync<T>(Func<Task<T>> ask, TimeProvider time, TimeSpan patience, Action<Exception>? unheard, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                return await ask();
            }
            catch (Exception exception) when (IsBetweenOwners(exception) && time.GetElapsedTime(began) < patience)
            {
                unheard?.Invoke(exception);
                await Task.Delay(Pause, time, cancellationToken);
            }
        }
    }

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
