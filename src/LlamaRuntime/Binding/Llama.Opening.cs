using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>Models and contexts from the seam's options.</summary>
internal static unsafe partial class Llama
{
    /// <summary>Null where the library refuses the file. <paramref name="onProgress"/> is called with 0 to 1, must not throw, and ends the loading with false.</summary>
    internal static ModelHandle? Load(ModelOptions options, Func<float, bool> onProgress)
    {
        var parameters = ModelDefaultParams();
        parameters.NGpuLayers = options.GpuLayers;
        nint noDevice = 0; // A list that ends where it begins.
        if (options.GpuLayers == 0) parameters.Devices = (nint)(&noDevice);
        parameters.SplitMode = (int)options.SplitMode;
        parameters.MainGpu = options.MainGpu;
        parameters.LoadMode = (options.UseMmap ? 1 : 0) | (options.UseMlock ? 2 : 0); // enum llama_load_mode
        parameters.UseExtraBufts = options.Repack ? (byte)1 : (byte)0;
        var receiver = GCHandle.Alloc(onProgress);
        parameters.ProgressCallback = (nint)(delegate* unmanaged[Cdecl]<float, nint, byte>)&OnProgress;
        parameters.ProgressCallbackUserData = GCHandle.ToIntPtr(receiver);
        try
        {
            var model = ModelLoadFromFile(options.Path, parameters);
            return model == 0 ? null : new ModelHandle(model);
        }
        finally
        {
            receiver.Free();
        }
    }

    /// <summary>Null where the context cannot be made. The options are settled (<see cref="ContextOptions"/>).</summary>
    internal static ContextHandle? Open(ModelHandle model, SessionOptions options, DecodeWatch watch)
    {
        var parameters = ContextDefaultParams();
        parameters.NCtx = (uint)options.ContextLength;
        parameters.NBatch = (uint)options.BatchSize;
        parameters.NUbatch = (uint)options.MicroBatchSize;
        parameters.NSeqMax = (uint)options.MaxSequences;
        parameters.NOutputsMax = (uint)options.MaxOutputs;
        parameters.NThreads = options.Threads;
        parameters.NThreadsBatch = options.BatchThreads;
        parameters.PoolingType = ContextOptions.PoolingType(options.Pooling);
        parameters.FlashAttnType = ContextOptions.FlashAttentionType(options.FlashAttention);
        parameters.TypeK = ContextOptions.GgmlType(options.KeyType);
        parameters.TypeV = ContextOptions.GgmlType(options.ValueType);
        parameters.KvUnified = options.UnifiedKv ? (byte)1 : (byte)0;
        parameters.Embeddings = options.Embeddings ? (byte)1 : (byte)0;
        parameters.NoPerf = 0;
        parameters.OpOffload = options.OpOffload ? (byte)1 : (byte)0;
        (parameters.CbEval, parameters.AbortCallback, parameters.CbEvalUserData) = watch.Callbacks;
        parameters.AbortCallbackData = parameters.CbEvalUserData;
        var context = InitFromModel(model, parameters);
        return context == 0 ? null : new ContextHandle(context, model);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static byte OnProgress(float progress, nint userData) =>
        GCHandle.FromIntPtr(userData).Target is Func<float, bool> receiver && receiver(progress) ? (byte)1 : (byte)0;
}
