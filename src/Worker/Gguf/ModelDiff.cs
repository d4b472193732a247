using FinerCut.Gguf;

namespace FinerCut.Worker.Gguf;

/// <summary>What differs between two models: lines beginning with - are the first's, with + the second's, with ~ both's. Pure.</summary>
public static class ModelDiff
{
    private const int ChunkBytes = 16 << 20;

    /// <summary>The differences, a line each, as they are found. Tensor data are compared byte by byte.</summary>
    public static IEnumerable<string> Lines(GgufShards first, GgufShards second) => Found(first, second).Select(line => Printable.Of(line, 1000));

    private static IEnumerable<string> Found(GgufShards first, GgufShards second)
    {
        foreach (var (key, value) in first.First.KeyValues)
        {
            var other = second.First.Find(key);
            if (value.Equals(other)) continue;
            yield return other is null ? $"- {key} = {Shown(value)}" : $"~ {key}: {Shown(value)} → {Shown(other)}";
        }
        foreach (var (key, value) in second.First.KeyValues.Where(kv => first.First.Find(kv.Key) is null)) yield return $"+ {key} = {Shown(value)}";
        foreach (var (file, tensor) in first.Tensors)
        {
            if (second.Find(tensor.Name) is not var (otherFile, other)) yield return $"- tensor {tensor}";
            else if (tensor.Type != other.Type || !tensor.Shape.SequenceEqual(other.Shape)) yield return $"~ tensor {tensor} → {GgmlTypes.Of(other.Type).Name} [{string.Join(", ", other.Shape)}]";
            else if (!SameData(file, tensor, otherFile, other)) yield return $"~ tensor {tensor}: other data";
        }
        foreach (var (_, tensor) in second.Tensors.Where(entry => first.Find(entry.Tensor.Name) is null)) yield return $"+ tensor {tensor}";
    }

    private static bool SameData(GgufFile file, GgufTensorInfo tensor, GgufFile otherFile, GgufTensorInfo other)
    {
        for (long at = 0; at < tensor.ByteCount; at += ChunkBytes)
        {
            var count = (int)Math.Min(ChunkBytes, tensor.ByteCount - at);
            if (!file.Data(tensor, at, count).SequenceEqual(otherFile.Data(other, at, count))) return false;
        }
        return true;
    }

    private static string Shown(GgufValue value) => value.IsArray ? value.TypeName : $"{value.TypeName} {Printable.Of(value.ToString())}";
}
