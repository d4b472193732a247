using System.Buffers.Text;

namespace FinerCut.Gateway.Routing;

/// <summary>Tokens of an exchange, 0 where unknown.</summary>
public readonly record struct AnswerUsage(long Input, long Output)
{
    /// <summary>What an answer, or the end of one, says of its usage; for figures only, so it searches and does not parse.</summary>
    public static AnswerUsage In(ReadOnlySpan<byte> bytes) => new(
        Math.Max(Number(bytes, "\"prompt_tokens\":"u8), Number(bytes, "\"input_tokens\":"u8)),
        Math.Max(Number(bytes, "\"completion_tokens\":"u8), Number(bytes, "\"output_tokens\":"u8)));

    private static long Number(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> name)
    {
        var at = bytes.LastIndexOf(name);
        return at >= 0 && Utf8Parser.TryParse(bytes[(at + name.Length)..].TrimStart((byte)' '), out long number, out _) && number > 0 ? number : 0;
    }
}
