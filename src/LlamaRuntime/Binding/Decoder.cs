namespace FinerCut.Runtime.Native;

/// <summary>Decodes batches on one context.</summary>
internal sealed class Decoder(ContextHandle context)
{
    /// <summary>llama_decode's code: 0 done, 1 no space, 2 aborted, below 0 refused.</summary>
    internal int Decode(LlamaBatch batch) => Llama.Decode(context, batch);
}
