namespace FinerCut.Gguf;

/// <summary>
/// A file to be: key-values and tensors in order, beginning empty or as a copy of a source. Mutable, not thread-safe;
/// <see cref="GgufWriter.Write"/> makes a file of it. Sources must stay open until then.
/// </summary>
public sealed class GgufEdit
{
    private readonly List<GgufKeyValue> _keyValues = [];
    private readonly List<GgufTensorPlan> _tensors = [];
    private readonly Dictionary<string, GgufTensorPlan> _byName = new(StringComparer.Ordinal);

    public GgufEdit()
    {
    }

    /// <summary>The key-values of a model, no tensors.</summary>
    public GgufEdit(GgufModel source)
    {
        Version = source.Version;
        _keyValues.AddRange(source.KeyValues);
    }

    public GgufEdit(GgufFile source)
        : this(source.Model)
    {
        foreach (var tensor in source.Model.Tensors) Add(GgufTensorPlan.Whole(source, tensor));
    }

    /// <summary>2 or 3; both have the same layout.</summary>
    public uint Version { get; set; } = 3;

    public IReadOnlyList<GgufKeyValue> KeyValues => _keyValues;

    public IReadOnlyList<GgufTensorPlan> Tensors => _tensors;

    public GgufValue? Find(string key) => _keyValues.Find(kv => kv.Key == key)?.Value;

    public GgufTensorPlan? FindTensor(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Sets a key: in place where it exists, at the end where not.</summary>
    public GgufEdit Set(string key, GgufValue value)
    {
        var index = _keyValues.FindIndex(kv => kv.Key == key);
        if (index < 0) _keyValues.Add(new(key, value));
        else _keyValues[index] = new(key, value);
        return this;
    }

    /// <exception cref="GgufWriteException">No such key, or the new name is taken.</exception>
    public GgufEdit RenameKey(string key, string newKey)
    {
        var index = _keyValues.FindIndex(kv => kv.Key == key);
        if (index < 0) throw new GgufWriteException(GgufWriteCause.KeyMissing, key, "no such key");
        if (key != newKey && Find(newKey) is not null) throw new GgufWriteException(GgufWriteCause.Duplicate, newKey, "the key exists already");
        _keyValues[index] = _keyValues[index] with { Key = newKey };
        return this;
    }

    /// <summary>Removes the key if it is there.</summary>
    public bool Remove(string key) => _keyValues.RemoveAll(kv => kv.Key == key) > 0;

    /// <summary>Adds a tensor at the end.</summary>
    /// <exception cref="GgufWriteException">The name is taken.</exception>
    public GgufEdit Add(GgufTensorPlan tensor)
    {
        if (!_byName.TryAdd(tensor.Name, tensor)) throw new GgufWriteException(GgufWriteCause.Duplicate, tensor.Name, "the tensor exists already");
        _tensors.Add(tensor);
        return this;
    }

    /// <exception cref="GgufWriteException">No such tensor, or the replacement's other name is taken.</exception>
    public GgufEdit Replace(string name, GgufTensorPlan tensor)
    {
        var index = IndexOf(name);
        if (tensor.Name != name && _byName.ContainsKey(tensor.Name))
        {
            throw new GgufWriteException(GgufWriteCause.Duplicate, tensor.Name, "the tensor exists already");
        }
        _byName.Remove(name);
        _byName[tensor.Name] = tensor;
        _tensors[index] = tensor;
        return this;
    }

    /// <exception cref="GgufWriteException">No such tensor, or the new name is taken.</exception>
    public GgufEdit RenameTensor(string name, string newName) => Replace(name, _tensors[IndexOf(name)] with { Name = newName });

    /// <summary>Removes the tensor if it is there.</summary>
    public bool Drop(string name) => _byName.Remove(name) && _tensors.RemoveAll(tensor => tensor.Name == name) > 0;

    public void DropAllTensors()
    {
        _tensors.Clear();
        _byName.Clear();
    }

    /// <summary>Orders the tensors by a key; ties stay as they are.</summary>
    public GgufEdit Reorder<TKey>(Func<GgufTensorPlan, TKey> key)
    {
        var ordered = _tensors.OrderBy(key).ToList();
        _tensors.Clear();
        _tensors.AddRange(ordered);
        return this;
    }

    private int IndexOf(string name)
    {
        var index = _tensors.FindIndex(tensor => tensor.Name == name);
        return index >= 0 ? index : throw new GgufWriteException(GgufWriteCause.TensorMissing, name, "no such tensor");
    }
}
