using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FinerCut.Gguf;

/// <summary>What .NET has no call for: copies inside the kernel (copy_file_range(2)) and making a rename durable (fsync(2) of the folder).</summary>
internal static partial class Posix
{
    private const int EINTR = 4;
    private const int EIO = 5;
    private const int EBADF = 9;
    private const int ENOSPC = 28;
    private const int EDQUOT = 122;

    /// <summary>Copies up to <paramref name="count"/> bytes; -1 where kernel or file systems cannot (another way is needed).</summary>
    /// <exception cref="IOException">The disk is full or broken.</exception>
    public static unsafe long CopyRange(SafeFileHandle source, long sourceOffset, SafeFileHandle target, long targetOffset, long count)
    {
        if (!OperatingSystem.IsLinux()) return -1;
        while (true)
        {
            nint copied;
            try
            {
                copied = CopyFileRange(source, &sourceOffset, target, &targetOffset, (nuint)count, 0);
            }
            catch (EntryPointNotFoundException)
            {
                return -1;
            }
            if (copied >= 0) return copied;
            var error = Marshal.GetLastPInvokeError();
            if (error == EINTR) continue;
            if (error is ENOSPC or EDQUOT or EIO) throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
            return -1;
        }
    }

    /// <summary>Lets the kernel begin to write that range to the disk; returns at once, and promises nothing (fsync does).</summary>
    public static void BeginWriteback(SafeFileHandle file, long offset, long count)
    {
        const uint StartWriting = 2; // SYNC_FILE_RANGE_WRITE
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = SyncFileRange(file, offset, count, StartWriting);
        }
        catch (EntryPointNotFoundException)
        {
            // Not in every libc; it only saves time.
        }
    }

    /// <summary>Makes entries of the folder (a rename) durable.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = Open(folder, 0);
        if (descriptor < 0) throw new IOException(Marshal.GetLastPInvokeErrorMessage(), Marshal.GetLastPInvokeError());
        try
        {
            // Some file systems have nothing to sync in a folder and say EINVAL or EBADF; the rename itself has happened.
            if (Fsync(descriptor) != 0 && Marshal.GetLastPInvokeError() is EIO or ENOSPC or EDQUOT)
            {
                throw new IOException(Marshal.GetLastPInvokeErrorMessage(), Marshal.GetLastPInvokeError());
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    public static bool IsDiskFull(IOException e) => e.HResult is ENOSPC or EDQUOT or unchecked((int)0x80070070) or unchecked((int)0x80070027);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    private static unsafe partial nint CopyFileRange(SafeFileHandle source, long* sourceOffset, SafeFileHandle target, long* targetOffset, nuint count, uint flags);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long count, uint flags);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
