using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace FinerCut.Runtime.Native;

/// <summary>The structs that this binding passes by value.</summary>
internal static unsafe partial class AbiCheck
{
    private const string Release = "v0.5.0";
    private const int Room = 1024;
    private const byte Canary = 0xA5;

    private static void CheckParameters(List<string> faults)
    {
        CheckModelParams(faults);
        CheckContextParams(faults);
        CheckBatch(faults);
    }

    private static void CheckModelParams(List<string> faults)
    {
        var room = stackalloc byte[Room];
        CallDefaults("llama_model_default_params", room, sizeof(LlamaModelParams), faults);
        ref var value = ref Unsafe.AsRef<LlamaModelParams>(room);
        Expect(faults, "llama_model_params", [
            ("devices", value.Devices, 0), ("tensor_buft_overrides", value.TensorBuftOverrides, 0), ("n_gpu_layers", value.NGpuLayers, -1),
            ("split_mode", value.SplitMode, 1), ("load_mode", value.LoadMode, -1), ("lazy_mode", value.LazyMode, 1), ("main_gpu", value.MainGpu, 0),
            ("tensor_split", value.TensorSplit, 0), ("progress_callback", value.ProgressCallback, 0),
            ("progress_callback_user_data", value.ProgressCallbackUserData, 0), ("kv_overrides", value.KvOverrides, 0), ("vocab_only", value.VocabOnly, 0),
            ("check_tensors", value.CheckTensors, 0), ("use_extra_bufts", value.UseExtraBufts, 1), ("no_host", value.NoHost, 0),
            ("no_alloc", value.NoAlloc, 0), ("load_mtp", value.LoadMtp, 0)]);
    }

    private static void CheckContextParams(List<string> faults)
    {
        var room = stackalloc byte[Room];
        CallDefaults("llama_context_default_params", room, sizeof(LlamaContextParams), faults);
        ref var value = ref Unsafe.AsRef<LlamaContextParams>(room);
        Expect(faults, "llama_context_params", [
            ("n_ctx", value.NCtx, 512), ("n_batch", value.NBatch, 2048), ("n_ubatch", value.NUbatch, 512), ("n_seq_max", value.NSeqMax, 1),
            ("n_rs_seq", value.NRsSeq, 0), ("n_outputs_max", value.NOutputsMax, 0), ("n_outputs_max_per_seq", value.NOutputsMaxPerSeq, 1),
            ("n_threads", value.NThreads, 4), ("n_threads_batch", value.NThreadsBatch, 4), ("ctx_type", value.CtxType, 0),
            ("rope_scaling_type", value.RopeScalingType, -1), ("pooling_type", value.PoolingType, -1), ("attention_type", value.AttentionType, -1),
            ("flash_attn_type", value.FlashAttnType, -1), ("rope_freq_base", (long)value.RopeFreqBase, 0), ("yarn_ext_factor", (long)value.YarnExtFactor, -1),
            ("yarn_beta_slow", (long)value.YarnBetaSlow, -1), ("yarn_orig_ctx", value.YarnOrigCtx, 0), ("defrag_thold", (long)value.DefragThold, -1),
            ("cb_eval", value.CbEval, 0), ("cb_eval_user_data", value.CbEvalUserData, 0), ("type_k", value.TypeK, 1), ("type_v", value.TypeV, 1),
            ("abort_callback", value.AbortCallback, 0), ("abort_callback_data", value.AbortCallbackData, 0), ("embeddings", value.Embeddings, 0),
            ("offload_kqv", value.OffloadKqv, 1), ("no_perf", value.NoPerf, 1), ("op_offload", value.OpOffload, 1), ("swa_full", value.SwaFull, 1),
            ("kv_unified", value.KvUnified, 0), ("samplers", value.Samplers, 0), ("n_samplers", (long)value.NSamplers, 0), ("ctx_other", value.CtxOther, 0)]);
        Expect(faults, "llama_sampler_chain_params", [("no_perf", Llama.SamplerChainDefaultParams().NoPerf, 1)]);
    }

    private static void CheckBatch(List<string> faults)
    {
        var token = 7;
        var batch = Llama.BatchGetOne(&token, 1);
        Expect(faults, "llama_batch", [
            ("n_tokens", batch.NTokens, 1), ("token", (nint)batch.Token - (nint)(&token), 0), ("embd", (nint)batch.Embd, 0), ("pos", (nint)batch.Pos, 0),
            ("n_seq_id", (nint)batch.NSeqId, 0), ("seq_id", (nint)batch.SeqId, 0), ("logits", (nint)batch.Logits, 0)]);
    }

    /// <summary>Calls a function that returns a large struct into room to spare, so that a struct that grew is seen and not written over the stack.</summary>
    private static void CallDefaults(string function, byte* room, int expectedSize, List<string> faults)
    {
        new Span<byte>(room, Room).Fill(Canary);
        var address = NativeLibraries.Export(Llama.Library, function);
        if (RuntimeInformation.ProcessArchitecture == Architecture.X64)
        {
            // On x64 a returned struct's address is the hidden first argument, on Windows and System V alike.
            ((delegate* unmanaged[Cdecl]<byte*, byte*>)address)(room);
            var written = new Span<byte>(room, Room).LastIndexOfAnyExcept(Canary) + 1;
            // Padding at the end may be left alone.
            if (written > expectedSize || written <= expectedSize - sizeof(nint)) faults.Add($"{function} fills {written} bytes, expected {expectedSize}");
        }
        else
        {
            *(ReturnRoom*)room = ((delegate* unmanaged[Cdecl]<ReturnRoom>)address)();
        }
    }

    private struct ReturnRoom
    {
        public fixed byte Bytes[Room];
    }
}
