using System.Runtime.InteropServices;
using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>Reads what libllama tells of a loaded model.</summary>
internal static unsafe class ModelFacts
{
    private delegate int ReadEntry(int index, byte* buffer, nuint size);

    private delegate int ReadText(byte* buffer, nuint size);

    internal static LlamaModelInfo Read(ModelHandle model, string path, int vocabularySize)
    {
        var metadata = Metadata(
            Llama.ModelMetaCount(model), (index, buffer, size) => Llama.ModelMetaKey(model, index, buffer, size),
            (index, buffer, size) => Llama.ModelMetaValue(model, index, buffer, size));
        var template = Llama.ModelChatTemplate(model, null);
        return new LlamaModelInfo(
            path,
            Text((buffer, size) => Llama.ModelDescription(model, buffer, size)),
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

    internal static Dictionary<string, string> AdapterMetadata(nint adapter) => Metadata(
        Llama.AdapterMetaCount(adapter), (index, buffer, size) => Llama.AdapterMetaKey(adapter, index, buffer, size),
        (index, buffer, size) => Llama.AdapterMetaValue(adapter, index, buffer, size));

    private static Dictionary<string, string> Metadata(int count, ReadEntry key, ReadEntry value)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var index = i;
            metadata[Text((buffer, size) => key(index, buffer, size))] = Text((buffer, size) => value(index, buffer, size));
        }

        return metadata;
    }

    /// <summary>Text of a function that writes like snprintf: it returns the length that it would need.</summary>
    private static string Text(ReadText read)
    {
        Span<byte> room = stackalloc byte[512];
        fixed (byte* small = room)
        {
            var length = read(small, (nuint)room.Length);
            if (length < 0) return string.Empty;
            if (length < room.Length) return Encoding.UTF8.GetString(room[..length]);
            var large = new byte[length + 1];
            fixed (byte* buffer = large)
                return Encoding.UTF8.GetString(large, 0, Math.Min(read(buffer, (nuint)large.Length), length));
        }
    }
}
