using LLama.Native;

namespace FinerCut.Runtime.Native;

/// <summary>Decodes batches on one context, one at a time in the process: LLamaSharp holds a lock around every decode.</summary>
internal sealed unsafe class Decoder(ContextHandle context)
{
    private const int Few = 128; // LLamaBatch's first size: clearing and pinning cost as much as it has room for, whatever it holds
    private readonly LLamaBatch _few = new();
    private readonly LLamaBatch _many = new();

    /// <summary>llama_decode's code: 0 done, 1 no space, 2 aborted, below 0 refused.</summary>
    internal int Decode(LlamaBatch batch)
    {
        var copy = batch.NTokens <= Few ? _few : _many;
        copy.Clear();
        for (var i = 0; i < batch.NTokens; i++)
            copy.Add(batch.Token[i], batch.Pos[i], (LLamaSeqId)(*batch.SeqId[i]), batch.Logits is null || batch.Logits[i] != 0);
        return (int)context.Decode(copy);
    }
}
