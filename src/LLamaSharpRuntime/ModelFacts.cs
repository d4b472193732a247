using System.Text;

namespace FinerCut.Runtime.Native;

/// <summary>Reads what libllama tells of a loaded model.</summary>
internal static class ModelFacts
{
    internal static LlamaModelInfo Read(ModelHandle model, string path, int vocabularySize)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < model.MetadataCount; i++)
        {
            if (model.MetadataKeyByIndex(i) is { } key && model.MetadataValueByIndex(i) is { } value) metadata[Text(key)] = Text(value);
        }

        return new LlamaModelInfo(
            path,
            model.Description,
            vocabularySize,
            model.EmbeddingSize,
            model.LayerCount,
            model.ContextSize,
            (long)model.SizeInBytes,
            (long)model.ParameterCount,
            model.HasEncoder,
            model.HasDecoder,
            model.GetTemplate(),
            metadata);
    }

    private static string Text(Memory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span.TrimEnd((byte)0));
}
