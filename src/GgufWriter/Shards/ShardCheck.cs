namespace FinerCut.Gguf;

/// <summary>Checks all shards of a split model, each as a file and then together as one model.</summary>
internal static class ShardCheck
{
    public static void Check(string path, GgufModel first, IList<GgufDefect> defects)
    {
        GgufShardName name;
        try
        {
            name = GgufShardName.Of(path);
        }
        catch (GgufException e)
        {
            defects.Add(e.Defect);
            return;
        }
        var tensors = new List<GgufTensorInfo>(first.Tensors);
        Numbers(first, name, Path.GetFileName(path), defects);
        for (var number = 0; number < name.Count; number++)
        {
            if (number == name.Number) continue;
            var other = name.PathOf(number);
            if (!File.Exists(other))
            {
                defects.Add(new(GgufCause.ShardMissing, null, Path.GetFileName(other), "no such file", $"all {name.Count} shards beside each other"));
                continue;
            }
            GgufFile.Inspect(other, (model, found, _) =>
            {
                foreach (var defect in found) defects.Add(defect with { Name = $"{Path.GetFileName(other)}: {defect.Name}" });
                Numbers(model, name with { Number = number }, Path.GetFileName(other), defects);
                tensors.AddRange(model.Tensors);
                return true;
            });
            if (defects.Count >= GgufCheck.MaxDefects) return;
        }
        foreach (var twice in tensors.GroupBy(tensor => tensor.Name).Where(group => group.Count() > 1))
        {
            defects.Add(new(GgufCause.TensorDuplicate, null, twice.Key, "the tensor in two shards", "every tensor once"));
        }
        if (first.Find(GgufKeys.SplitTensorCount) is { } announced && announced.ToString() != $"{tensors.Count}")
        {
            defects.Add(new(GgufCause.ShardTensorCountWrong, null, GgufKeys.SplitTensorCount, announced.ToString(), $"{tensors.Count}, the tensors of all shards"));
        }
        if (name.Number == 0) GgufCheck.CheckModel(first, tensors, defects);
    }

    /// <summary>What the shard says of itself against what its name says.</summary>
    public static void Numbers(GgufModel model, GgufShardName name, string file, IList<GgufDefect> defects)
    {
        Number(GgufKeys.SplitNumber, GgufCause.ShardNumberWrong, name.Number);
        Number(GgufKeys.SplitCount, GgufCause.ShardCountWrong, name.Count);

        void Number(string key, GgufCause cause, int expected)
        {
            var value = model.Find(key);
            if (value is not { IsInteger: true } || value.ToString() != $"{expected}")
            {
                defects.Add(new(cause, null, $"{file}: {key}", value?.ToString() ?? "no such key", $"{expected}, as its name says"));
            }
        }
    }
}
