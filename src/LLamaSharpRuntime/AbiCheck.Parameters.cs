using System.Runtime.InteropServices;
using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>The structs that LLamaSharp passes by value, and those that are passed to it as if they were its own.</summary>
internal static unsafe partial class AbiCheck
{
    private const string Release = "LLamaSharp 0.30.0 (llama.cpp 815a2a591)";
    private const int Room = 1024;
    private const byte Canary = 0xA5;

    private static void CheckParameters(List<string> faults)
    {
#pragma warning disable CA1421 // It is LLamaSharp's assembly that passes these structs, and it has them marshalled.
        CheckSize("llama_model_default_params", Marshal.SizeOf<LLamaModelParams>(), faults);
        CheckSize("llama_context_default_params", Marshal.SizeOf<LLamaContextParams>(), faults);
#pragma warning restore CA1421
        if (faults.Count > 0) return;
        var model = LLamaModelParams.Default();
        Expect(faults, "llama_model_params", [
            ("tensor_buft_overrides", (nint)model.tensor_buft_overrides, 0), ("n_gpu_layers", model.n_gpu_layers, -1), ("split_mode", (long)model.split_mode, 1),
            ("main_gpu", model.main_gpu, 0), ("tensor_split", (nint)model.tensor_split, 0), ("kv_overrides", (nint)model.kv_overrides, 0),
            ("vocab_only", One(model.vocab_only), 0), ("load_mode", (long)model.load_mode, (long)LLamaLoadMode.MemoryMap),
            ("check_tensors", One(model.check_tensors), 0), ("use_extra_bufts", One(model.use_extra_bufts), 1), ("no_host", One(model.no_host), 0)]);
        var context = LLamaContextParams.Default();
        Expect(faults, "llama_context_params", [
            ("n_ctx", context.n_ctx, 512), ("n_batch", context.n_batch, 2048), ("n_ubatch", context.n_ubatch, 512), ("n_seq_max", context.n_seq_max, 1),
            ("n_outputs_max", context.n_outputs_max, 0),
            ("n_threads", context.n_threads, 4), ("n_threads_batch", context.n_threads_batch, 4), ("rope_scaling_type", (long)context.rope_scaling_type, -1),
            ("pooling_type", (long)context.llama_pooling_type, -1), ("attention_type", (long)context.attention_type, -1),
            ("flash_attn_type", (long)context.llama_flash_attn_type, -1), ("yarn_ext_factor", (long)context.yarn_ext_factor, -1),
            ("defrag_thold", (long)context.defrag_threshold, -1), ("cb_eval", context.cb_eval, 0), ("cb_eval_user_data", context.cb_eval_user_data, 0),
            ("type_k", (long)context.type_k, 1), ("type_v", (long)context.type_v, 1), ("abort_callback", context.abort_callback, 0),
            ("embeddings", One(context.embeddings), 0), ("offload_kqv", One(context.offload_kqv), 1), ("no_perf", One(context.no_perf), 1),
            ("op_offload", One(context.op_offload), 1), ("ctx_other", context.ctx_other, 0), ("swa_full", One(context.swa_full), 1), ("kv_unified", One(context.kv_unified), 0)]);
        Expect(faults, "structs shared with LLamaSharp", [
            ("llama_token_data_array", sizeof(LLamaTokenDataArrayNative), sizeof(LlamaTokenDataArray)), ("llama_token_data", sizeof(LLamaTokenData), sizeof(LlamaTokenData)),
            ("llama_logit_bias", sizeof(LLamaLogitBias), sizeof(LlamaLogitBias)), ("llama_batch", sizeof(LLamaNativeBatch), sizeof(LlamaBatch))]);
    }

    /// <summary>Calls a function that returns a large struct into room to spare, and sees how much of it is written.</summary>
    private static void CheckSize(string function, int expected, List<string> faults)
    {
        // On x64 a returned struct's address is the hidden first argument, on Windows and System V alike; elsewhere the values below have to do.
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
        var room = stackalloc byte[Room];
        new Span<byte>(room, Room).Fill(Canary);
        ((delegate* unmanaged[Cdecl]<byte*, byte*>)NativeLibraries.Export(Llama.Library, function))(room);
        var written = new Span<byte>(room, Room).LastIndexOfAnyExcept(Canary) + 1;
        // Padding at the end may be left alone.
        if (written > expected || written <= expected - sizeof(nint)) faults.Add($"{function} fills {written} bytes, expected {expected}");
    }

    private static long One(bool value) => value ? 1 : 0;
}
