using CsCheck;
using FinerCut.Gguf.Fuzz;

namespace FinerCut.Gguf.Tests.Writing;

/// <summary>CsCheck prints the seed of a failing case; files are random from one number each.</summary>
public sealed class PropertyTests : IDisposable
{
    private const int Cases = 60;

    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue];

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Writing_what_was_read_gives_the_same_bytes() => Seeds.Sample(
        seed =>
        {
            GgufWriter.Write(RandomFile.Plan(new Random(seed)), _folder["a.gguf"]);
            using (var file = GgufFile.Open(_folder["a.gguf"])) GgufWriter.Write(new GgufEdit(file), _folder["b.gguf"]);
            return File.ReadAllBytes(_folder["a.gguf"]).AsSpan().SequenceEqual(File.ReadAllBytes(_folder["b.gguf"]));
        },
        iter: Cases,
        threads: 1);

    [Fact]
    public void Random_edits_read_back_as_made() => Seeds.Sample(
        seed =>
        {
            var random = new Random(seed);
            GgufWriter.Write(RandomFile.Plan(random), _folder["a.gguf"]);
            using var file = GgufFile.Open(_folder["a.gguf"]);
            var edit = new GgufEdit(file);
            // The slow truth beside the edit: what must be there in the end, in order.
            var keys = file.Model.KeyValues.ToList();
            var tensors = file.Model.Tensors.Select(tensor => (tensor.Name, Bytes: file.Data(tensor).ToArray())).ToList();
            for (var i = random.Next(1, 8); i > 0; i--) Change(random, edit, keys, tensors);
            GgufWriter.Write(edit, _folder["b.gguf"]);
            using var edited = GgufFile.Open(_folder["b.gguf"]);
            Assert.Equal(keys, edited.Model.KeyValues);
            Assert.Equal(tensors.Select(tensor => tensor.Name), edited.Model.Tensors.Select(tensor => tensor.Name));
            foreach (var (name, bytes) in tensors) Assert.Equal(bytes, edited.Data(edited.Model.GetTensor(name)).ToArray());
            SlowWalk.Over(File.ReadAllBytes(_folder["b.gguf"])).Compare(edited.Model);
        },
        iter: Cases,
        threads: 1);

    [Fact]
    public void Split_then_merge_is_the_original() => Gen.Select(Seeds, Gen.Int[200, 6000]).Sample(
        (seed, size) =>
        {
            using var folder = new TempFolder();
            GgufWriter.Write(RandomFile.Plan(new Random(seed)), folder["a.gguf"]);
            IReadOnlyList<GgufWritten> shards;
            using (var file = GgufFile.Open(folder["a.gguf"])) shards = GgufSplitter.Write(new GgufEdit(file), folder["m"], size);
            using (var set = GgufShards.Open(shards[0].Path)) GgufWriter.Write(set.Merge(), folder["b.gguf"]);
            return File.ReadAllBytes(folder["a.gguf"]).AsSpan().SequenceEqual(File.ReadAllBytes(folder["b.gguf"]));
        },
        iter: 15,
        threads: 1);

    private static void Change(Random random, GgufEdit edit, List<GgufKeyValue> keys, List<(string Name, byte[] Bytes)> tensors)
    {
        switch (random.Next(6))
        {
            case 0:
                var set = new GgufKeyValue($"key.{random.Next(100)}", RandomFile.Value(random));
                edit.Set(set.Key, set.Value);
                var index = keys.FindIndex(kv => kv.Key == set.Key);
                if (index < 0) keys.Add(set);
                else keys[index] = set;
                break;
            case 1 when keys.FindIndex(kv => kv.Key.StartsWith("key.", StringComparison.Ordinal)) is >= 0 and var first:
                Assert.True(edit.Remove(keys[first].Key));
                keys.RemoveAt(first);
                break;
            case 2 when keys.FindLastIndex(kv => kv.Key.StartsWith("key.", StringComparison.Ordinal)) is >= 0 and var last:
                edit.RenameKey(keys[last].Key, $"renamed.{edit.KeyValues.Count}.{random.Next()}");
                keys[last] = edit.KeyValues[last];
                break;
            case 3 when tensors.Count > 0:
                var dropped = random.Next(tensors.Count);
                Assert.True(edit.Drop(tensors[dropped].Name));
                tensors.RemoveAt(dropped);
                break;
            case 4:
                var bytes = Samples.RandomBytes(random.Next(), random.Next(1, 100));
                edit.Add(new($"new.{random.Next()}", GgmlType.I8, [bytes.Length], GgufContent.Bytes(bytes)));
                tensors.Add((edit.Tensors[^1].Name, bytes));
                break;
            default:
                edit.Reorder(tensor => tensor.Name.Length);
                var ordered = tensors.OrderBy(tensor => tensor.Name.Length).ToList();
                tensors.Clear();
                tensors.AddRange(ordered);
                break;
        }
    }
}
