using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>Reads what libllama tells of a loaded model.</summary>
internal static unsafe class ModelFacts
{
    internal static LlamaModelInfo Read(ModelHandle model, string path, int vocabularySize)
    {
        var metadata = NativeText.Pairs(
            Llama.ModelMetaCount(model), (index, buffer, size) => Llama.ModelMetaKey(model, index, buffer, size),
            (index, buffer, size) => Llama.ModelMetaValue(model, index, buffer, size));
        var template = Llama.ModelChatTemplate(model, null);
        return new LlamaModelInfo(
            path,
            NativeText.Read((buffer, size) => Llama.ModelDescription(model, buffer, size)),
            vocabularySize,
            Llama.ModelEmbeddingLength(model),
            Llama.ModelBlockCount(model),
            Llama.ModelContextLength(model),
            (long)Llama.ModelSize(model),
            (long)Llama.ModelParameterCount(model),
            Llama.ModelHasEncoder(model),
            Llama.ModelHasDecoder(model),
            template is null ? null : Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(template)),
            metadata);
    }
}
