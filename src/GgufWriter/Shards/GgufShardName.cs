using System.Globalization;
using System.Text.RegularExpressions;

namespace FinerCut.Gguf;

/// <summary>A name like model-00001-of-00003.gguf. Numbers count from 1 in names, from 0 in split.no.</summary>
/// <param name="Folder">Where the shards lie.</param>
/// <param name="Prefix">What stands before the numbers.</param>
/// <param name="Number">From 0.</param>
/// <param name="Count">Number of shards.</param>
public sealed partial record GgufShardName(string Folder, string Prefix, int Number, int Count)
{
    public const int MaxCount = 9999;

    /// <summary>Where this shard lies.</summary>
    public string Path => PathOf(Number);

    /// <summary>Where a shard of the same model lies.</summary>
    /// <param name="number">From 0.</param>
    public string PathOf(int number) =>
        System.IO.Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}-{number + 1:D5}-of-{Count:D5}.gguf"));

    /// <summary>Null where it is no shard's name, or one that points elsewhere.</summary>
    public static GgufShardName? TryOf(string path) => Read(path).Name;

    /// <exception cref="GgufException">No shard's name, or one that points elsewhere.</exception>
    public static GgufShardName Of(string path)
    {
        var (name, defect) = Read(path);
        return name ?? throw new GgufException(defect!, path);
    }

    private static (GgufShardName? Name, GgufDefect? Defect) Read(string path)
    {
        var file = System.IO.Path.GetFileName(path);
        var match = Pattern().Match(file);
        if (!match.Success || file.Contains("..", StringComparison.Ordinal) || file.Contains('\\', StringComparison.Ordinal))
        {
            return (null, new(GgufCause.ShardNameInvalid, null, file, "a file that says it is a shard", "a name like model-00001-of-00003.gguf"));
        }

        var number = int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
        var count = int.Parse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture);
        if (number < 1 || number > count || count > MaxCount) return (null, new(GgufCause.ShardNameInvalid, null, file, $"shard {number} of {count}", $"1 to the count, at most {MaxCount}"));
        return (new(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, match.Groups[1].Value, number - 1, count), null);
    }

    [GeneratedRegex(@"^([^/]+)-([0-9]{5})-of-([0-9]{5})\.gguf$", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
