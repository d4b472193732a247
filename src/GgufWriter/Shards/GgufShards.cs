namespace FinerCut.Gguf;

/// <summary>All files of a model, one or split: metadata in the first, tensors in any. Thread-safe like <see cref="GgufFile"/>.</summary>
public sealed class GgufShards : IDisposable
{
    private readonly List<GgufFile> _files;
    private readonly bool _owned;
    private readonly Dictionary<string, (GgufFile File, GgufTensorInfo Tensor)> _tensors = new(StringComparer.Ordinal);

    private GgufShards(List<GgufFile> files, bool owned = true)
    {
        _files = files;
        _owned = owned;
        foreach (var file in files)
        {
            foreach (var tensor in file.Model.Tensors) _tensors[tensor.Name] = (file, tensor);
        }
        Model = files.Count == 1 ? First : new(First.Version, First.Alignment, First.DataOffset, First.KeyValues, [.. Tensors.Select(tensor => tensor.Tensor)]);
    }

    public IReadOnlyList<GgufFile> Files => _files;

    /// <summary>The key-values of the whole model are here.</summary>
    public GgufModel First => _files[0].Model;

    /// <summary>
    /// The whole model: key-values of the first file, tensors of all. Of a split model a tensor's offset is one into its own file; take its
    /// data by <see cref="Find"/>.
    /// </summary>
    public GgufModel Model { get; }

    /// <summary>Bytes of all files.</summary>
    public long Length => _files.Sum(file => file.Length);

    /// <summary>All tensors with the file each lies in, in order.</summary>
    public IEnumerable<(GgufFile File, GgufTensorInfo Tensor)> Tensors => _files.SelectMany(file => file.Model.Tensors.Select(tensor => (file, tensor)));

    /// <summary>The tensor and its file, null where there is none.</summary>
    public (GgufFile File, GgufTensorInfo Tensor)? Find(string name) => _tensors.TryGetValue(name, out var found) ? found : null;

    /// <summary>A model that lies in one file, which stays the caller's to close.</summary>
    public static GgufShards Of(GgufFile file) => new([file], owned: false);

    /// <summary>Opens a model; of a split one give any shard, all are opened and checked.</summary>
    /// <exception cref="GgufException">A file is not sound, a shard is missing, or the shards do not belong together.</exception>
    public static GgufShards Open(string path)
    {
        var files = new List<GgufFile> { GgufFile.Open(path) };
        try
        {
            var defects = new List<GgufDefect>();
            var count = files[0].Model.Find(GgufKeys.SplitCount);
            if (count is null || (count.IsInteger && count.ToString() is "0" or "1")) return new(files);
            var name = GgufShardName.Of(path);
            files[0].Dispose();
            files.Clear();
            var names = new HashSet<string>(StringComparer.Ordinal);
            for (var number = 0; number < name.Count; number++)
            {
                var shard = name.PathOf(number);
                if (!File.Exists(shard))
                {
                    throw new GgufException(new(GgufCause.ShardMissing, null, Path.GetFileName(shard), "no such file", $"all {name.Count} shards beside each other"), path);
                }
                files.Add(GgufFile.Open(shard));
                ShardCheck.Numbers(files[^1].Model, name with { Number = number }, Path.GetFileName(shard), defects);
                foreach (var tensor in files[^1].Model.Tensors)
                {
                    if (!names.Add(tensor.Name)) defects.Add(new(GgufCause.TensorDuplicate, null, tensor.Name, "the tensor in two shards", "every tensor once"));
                }
                if (defects.Count > 0) throw new GgufException(defects[0], shard);
            }
            if (files[0].Model.Find(GgufKeys.SplitTensorCount) is { } announced && announced.ToString() != $"{names.Count}")
            {
                throw new GgufException(new(GgufCause.ShardTensorCountWrong, null, GgufKeys.SplitTensorCount, announced.ToString(), $"{names.Count}"), path);
            }
            return new(files);
        }
        catch
        {
            foreach (var file in files) file.Dispose();
            throw;
        }
    }

    /// <summary>The key-values of the whole model as a plan without tensors and without the keys of splitting.</summary>
    public GgufEdit EditKeys()
    {
        var edit = new GgufEdit(First);
        foreach (var key in (string[])[GgufKeys.SplitNumber, GgufKeys.SplitCount, GgufKeys.SplitTensorCount]) edit.Remove(key);
        return edit;
    }

    /// <summary>The whole model as one plan, without the keys of splitting.</summary>
    public GgufEdit Merge()
    {
        var edit = EditKeys();
        foreach (var (file, tensor) in Tensors) edit.Add(GgufTensorPlan.Whole(file, tensor));
        return edit;
    }

    public void Dispose()
    {
        if (!_owned) return;
        foreach (var file in _files) file.Dispose();
    }
}
