using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace FinerCut.Gateway;

/// <summary>
/// Lets what waits for a socket go on where the socket was found ready, instead of on a thread of the pool: a streamed chunk passes the gateway without waking a second thread, which halves its
/// processor time (docs/adr/0010). Whoever goes on from a socket, or from a child process's pipe, which is one to .NET, and may then block or compute for long, leaves that thread first (<see cref="Leave"/>).
/// </summary>
internal static class SocketLoop
{
    /// <summary>Read once by .NET, before the first socket (SocketAsyncEngine.Unix.cs); an operator who sets it, to 0 or 1, has the last word.</summary>
    private const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    private static bool _ours;

    /// <summary>Comes before the first socket.</summary>
    public static void GoOnInline()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not null) return;
        Environment.SetEnvironmentVariable(Variable, "1");
        _ours = true;
    }

    /// <summary>Awaited, goes on on a thread of the pool: those who share the socket's thread wait for nothing that follows.</summary>
    public static ConfiguredTaskAwaitable Leave() => Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

    /// <summary>Other processes decide for themselves.</summary>
    public static void KeepFrom(ProcessStartInfo child)
    {
        if (_ours) child.Environment.Remove(Variable);
    }
}
