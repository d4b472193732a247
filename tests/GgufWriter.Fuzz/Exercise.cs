namespace FinerCut.Gguf.Fuzz;

/// <summary>What every input goes through: it is refused with a typed cause, or it is sound by an independent reading and every value can be had.</summary>
public static class Exercise
{
    /// <summary>Most bytes that reading may allocate, beyond a multiple of the input.</summary>
    public const long AllocationLimit = 100 << 20;

    /// <summary>Null where accepted, else the cause.</summary>
    /// <exception cref="InvalidDataException">The library broke a promise.</exception>
    public static GgufCause? Run(byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        GgufModel? model = null;
        GgufCause? cause = null;
        try
        {
            model = GgufModel.Parse(bytes, bytes.Length);
        }
        catch (GgufException e)
        {
            cause = e.Cause;
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > AllocationLimit) throw new InvalidDataException($"{allocated} bytes allocated for a file of {bytes.Length}");

        var defects = GgufCheck.Check(bytes);
        var container = defects.Where(defect => defect.Cause < GgufCause.TrailingBytes).ToList();
        if ((cause is null) != (container.Count == 0)) throw new InvalidDataException($"opening says {cause}, checking says {string.Join(", ", container)}");
        if (cause is not null && container.All(defect => defect.Cause != cause)) throw new InvalidDataException($"opening says {cause}, checking does not: {string.Join(", ", container)}");
        if (model is null) return cause;

        SlowWalk.Over(bytes).Compare(model);
        foreach (var (_, value) in model.KeyValues) Read(value);
        return null;
    }

    private static void Read(GgufValue value)
    {
        _ = value.ToString();
        if (value.ElementType == GgufValueType.String)
        {
            var count = value.GetTexts().Count();
            if (count != value.Count) throw new InvalidDataException($"{count} texts of {value.Count}");
        }
        else if (GgufValueTypes.IsInteger(value.ElementType) && value.ElementType != GgufValueType.UInt64)
        {
            _ = value.GetIntegers();
        }
    }
}
