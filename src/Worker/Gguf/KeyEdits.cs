using System.Globalization;
using System.Numerics;
using FinerCut.Gguf;

namespace FinerCut.Worker.Gguf;

/// <summary>Key-values from a command line.</summary>
public static class KeyEdits
{
    /// <summary>Renames, then removes, then sets; all or, with an exception, none that matters: the plan is not written then.</summary>
    /// <exception cref="UsageException">A pair cannot be read, or a value does not fit its type.</exception>
    /// <exception cref="GgufWriteException">A key to rename is missing.</exception>
    public static GgufEdit Apply(GgufEdit edit, IReadOnlyList<string> pairs, IReadOnlyList<string> removed, IReadOnlyList<string> renamed)
    {
        if (pairs.Count + removed.Count + renamed.Count == 0) throw new UsageException("Nothing to change. Give KEY=VALUE, --remove KEY or --rename OLD=NEW.");
        foreach (var (old, name) in renamed.Select(Cut)) edit.RenameKey(old, name);
        foreach (var key in removed)
        {
            if (!edit.Remove(key)) throw new UsageException($"There is no key {key} to remove.");
        }
        foreach (var (key, text) in pairs.Select(Cut))
        {
            var (name, type) = Typed(key);
            edit.Set(name, Parse(key, type ?? (edit.Find(name) is { } old ? TypeOf(old) : "str"), text));
        }
        return edit;
    }

    private static (string Left, string Right) Cut(string pair)
    {
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (pair[..equals], pair[(equals + 1)..]) : throw new UsageException($"'{pair}' is no pair. Give KEY=VALUE, or OLD=NEW for --rename.");
    }

    private static (string Key, string? Type) Typed(string key)
    {
        var colon = key.LastIndexOf(':');
        return colon > 0 ? (key[..colon], key[(colon + 1)..]) : (key, null);
    }

    private static string TypeOf(GgufValue value) => value.IsArray ? $"[{GgufValueTypes.NameOf(value.ElementType)}]" : GgufValueTypes.NameOf(value.ElementType);

    private static GgufValue Parse(string key, string type, string text)
    {
        try
        {
            return type switch
            {
                "str" => text,
                "bool" => bool.Parse(text),
                "[str]" => GgufValue.ArrayOf(Parts(text)),
                "[bool]" => GgufValue.ArrayOf<bool>([.. Parts(text).Select(bool.Parse)]),
                ['[', .. var element, ']'] => Numbers(element, Parts(text), true),
                _ => Numbers(type, [text], false),
            };
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new UsageException($"'{text}' is no {type} for {key}: {e.Message}");
        }
    }

    private static string[] Parts(string text) => text.Length == 0 ? [] : text.Split(',');

    private static GgufValue Numbers(string type, string[] texts, bool array) => type switch
    {
        "u8" => Of<byte>(texts, array),
        "i8" => Of<sbyte>(texts, array),
        "u16" => Of<ushort>(texts, array),
        "i16" => Of<short>(texts, array),
        "u32" => Of<uint>(texts, array),
        "i32" => Of<int>(texts, array),
        "u64" => Of<ulong>(texts, array),
        "i64" => Of<long>(texts, array),
        "f32" => Of<float>(texts, array),
        "f64" => Of<double>(texts, array),
        _ => throw new UsageException($"'{type}' is no type. Give u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, bool or str, in brackets for an array."),
    };

    private static GgufValue Of<T>(string[] texts, bool array)
        where T : unmanaged, INumber<T>
    {
        T[] numbers = [.. texts.Select(text => T.Parse(text.Trim(), CultureInfo.InvariantCulture))];
        return array ? GgufValue.ArrayOf<T>(numbers) : GgufValue.Of(numbers[0]);
    }
}
