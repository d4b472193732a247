using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>
/// Receives a context's callbacks during a decode: the graph observer and the abort question. An exception in either is kept, the decode is
/// ended, and the session throws it once native code has returned.
/// </summary>
internal sealed unsafe class DecodeWatch : IDisposable
{
    private static readonly GgmlTensorLayout Layout = new();
    private readonly IGraphObserver? _observer;
    private readonly Func<bool>? _abort;
    private readonly TensorData _data = new();
    private GCHandle _self;

    internal DecodeWatch(IGraphObserver? observer, Func<bool>? abort)
    {
        _observer = observer;
        _abort = abort;
        _self = GCHandle.Alloc(this);
    }

    /// <summary>Thrown by a callback during the decode.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>The observer ended the decode: what was computed after it is not valid.</summary>
    internal bool Stopped { get; private set; }

    internal void Reset()
    {
        Failure = null;
        Stopped = false;
    }

    /// <summary>What the context calls during a decode: ggml_backend_sched_eval_callback and ggml_abort_callback, 0 where nobody listens, and their user data.</summary>
    internal (nint Evaluation, nint Abort, nint UserData) Callbacks => (
        _observer is null ? 0 : (nint)(delegate* unmanaged[Cdecl]<nint, byte, nint, byte>)&OnNode,
        _observer is null && _abort is null ? 0 : (nint)(delegate* unmanaged[Cdecl]<nint, byte>)&OnAbort,
        GCHandle.ToIntPtr(_self));

    /// <summary>Only after the context is freed: it calls back through this object.</summary>
    public void Dispose()
    {
        if (_self.IsAllocated) _self.Free();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static byte OnNode(nint tensor, byte ask, nint userData) => Unsafe.As<DecodeWatch>(GCHandle.FromIntPtr(userData).Target!).Observe(tensor, ask != 0);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static byte OnAbort(nint userData) => Unsafe.As<DecodeWatch>(GCHandle.FromIntPtr(userData).Target!).AskAbort();

    private byte Observe(nint tensor, bool ask)
    {
        // ggml's scheduler takes "false" after a group as the end of one split only, and goes on with the next: the abort callback ends those.
        if (Stopped) return 0;
        try
        {
            if (_observer!.OnNode(new GraphNode(tensor, Layout, _data), ask)) return 1;
            if (!ask) Stopped = true;
            return 0;
        }
        catch (Exception failure)
        {
            Failure = failure;
            Stopped = true;
            return 0;
        }
    }

    private byte AskAbort()
    {
        if (Stopped) return 1;
        if (_abort is null) return 0;
        try
        {
            return _abort() ? (byte)1 : (byte)0;
        }
        catch (Exception failure)
        {
            Failure = failure;
            Stopped = true;
            return 1;
        }
    }
}
