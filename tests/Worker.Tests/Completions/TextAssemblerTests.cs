using System.Buffers;
using System.Text;
using FinerCut.Worker.Completions;

namespace FinerCut.Tests.Completions;

public class TextAssemblerTests
{
    [Theory]
    [InlineData("hello", "", "hello")]
    [InlineData("hello STOP world", "STOP", "hello ")]
    [InlineData("abcabd", "abd", "abc")]
    [InlineData("aaab", "aab", "a")]
    [InlineData("no sto", "STOP¦stop", "no sto")]
    [InlineData("x</s>y", "</s>¦s", "x</")]
    [InlineData("x</s>y", "</s>¦>", "x")]
    [InlineData("first END then FIN", "FIN¦END", "first ")]
    [InlineData("früh ☕ Ende", "☕", "früh ")]
    [InlineData("👩‍👩‍👧 family 🙂 more", "🙂", "👩‍👩‍👧 family ")]
    [InlineData("STOP", "STOP", "")]
    public void TextEndsAtTheFirstStopHoweverItIsCut(string text, string stops, string expected)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var size = 1; size <= bytes.Length; size++)
        {
            var (chunks, _) = Run(stops, Enumerable.Range(0, (bytes.Length + size - 1) / size).Select(i => bytes[(i * size)..Math.Min(bytes.Length, (i + 1) * size)]));
            Assert.Equal(expected, string.Concat(chunks));
        }
    }

    [Fact]
    public void EveryChunkIsWholeCharacters()
    {
        var bytes = Encoding.UTF8.GetBytes("naïve 😀😀 漢字");
        var (chunks, _) = Run("", bytes.Select(value => new[] { value }));
        Assert.DoesNotContain(chunks, chunk => chunk.Contains('\uFFFD', StringComparison.Ordinal));
        Assert.Contains("😀", chunks);
    }

    [Fact]
    public void NothingOfAStopStringIsEverSent()
    {
        var (chunks, stop) = Run("\nUser:", ["Sure.\n"u8.ToArray(), "Us"u8.ToArray(), "er"u8.ToArray(), ": hi"u8.ToArray()]);
        Assert.Equal(["Sure."], chunks);
        Assert.Equal(0, stop);
    }

    [Fact]
    public void WhatOnlyLookedLikeAStopStringIsSentAfterAll()
    {
        var (chunks, _) = Run("<|end|>", ["a<|e"u8.ToArray(), "x"u8.ToArray(), "<|en"u8.ToArray()]);
        Assert.Equal("a<|ex<|en", string.Concat(chunks));
        Assert.Equal(["a", "<|ex", "<|en"], chunks);
    }

    [Fact]
    public void BrokenBytesBecomeReplacementCharacters()
    {
        var (chunks, _) = Run("", [[0x61, 0xFF, 0x62], [0xC3], [0x28]]);
        Assert.Equal("a\uFFFDb\uFFFD(", string.Concat(chunks));
    }

    [Fact]
    public void TheBeginningOfACharacterAtTheEndIsDropped()
    {
        var (chunks, _) = Run("", ["ok"u8.ToArray(), [0xF0, 0x9F, 0x98]]);
        Assert.Equal("ok", string.Concat(chunks));
    }

    [Fact]
    public void RandomCutsNeverChangeTheText()
    {
        const int seed = 7;
        var random = new Random(seed);
        string[] alphabet = ["a", "b", "é", "漢", "😀", "\n"];
        for (var round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 30)).Select(_ => alphabet[random.Next(alphabet.Length)]));
            var stops = Enumerable.Range(0, random.Next(0, 3)).Select(_ => string.Concat(Enumerable.Range(0, random.Next(1, 5)).Select(_ => alphabet[random.Next(alphabet.Length)]))).ToArray();
            var found = stops.Select(stop => (At: text.IndexOf(stop, StringComparison.Ordinal), stop.Length)).Where(stop => stop.At >= 0).ToArray();
            var expected = found.Length == 0 ? text : text[..found.MinBy(stop => (stop.At + stop.Length, stop.At)).At];
            var bytes = Encoding.UTF8.GetBytes(text).AsMemory();
            var pieces = new List<byte[]>();
            while (bytes.Length > 0)
            {
                var size = random.Next(1, Math.Min(6, bytes.Length) + 1);
                pieces.Add(bytes[..size].ToArray());
                bytes = bytes[size..];
            }

            Assert.True(expected == string.Concat(Run(string.Join('¦', stops), pieces).Chunks), $"seed {seed}, round {round}");
        }
    }

    private static (List<string> Chunks, int Stop) Run(string stops, IEnumerable<byte[]> pieces)
    {
        var assembler = new TextAssembler([.. stops.Split('¦', StringSplitOptions.RemoveEmptyEntries).Select(Encoding.UTF8.GetBytes)]);
        var chunks = new List<string>();
        var buffer = new ArrayBufferWriter<byte>();
        foreach (var piece in pieces)
        {
            var ended = assembler.Append(piece, buffer);
            Take();
            if (ended) break;
        }

        assembler.Finish(buffer);
        Take();
        return (chunks, assembler.MatchedStop);

        void Take()
        {
            if (buffer.WrittenCount > 0) chunks.Add(new UTF8Encoding(false, true).GetString(buffer.WrittenSpan));
            buffer.ResetWrittenCount();
        }
    }
}
