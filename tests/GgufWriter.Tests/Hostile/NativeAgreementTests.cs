using FinerCut.Gguf.Fuzz;
using FinerCut.Gguf.Tests.Numbers;

namespace FinerCut.Gguf.Tests.Hostile;

/// <summary>We are the stricter reader: what we let through, llama.cpp's own reader takes as well.</summary>
public sealed class NativeAgreementTests
{
    private const int Seed = 8086;
    private const int Inputs = 20_000;

    [Fact]
    public void What_passes_our_reader_passes_the_librarys()
    {
        var fuzzer = new Fuzzer(Seed);
        for (var i = 0; i < Inputs; i++)
        {
            var accepted = fuzzer.Accepted;
            Assert.Null(fuzzer.Step());
            if (fuzzer.Accepted > accepted) Assert.True(NativeGgml.Takes(fuzzer.Input), $"input {fuzzer.Inputs} of seed {Seed}");
        }
        Assert.InRange(fuzzer.Accepted, Inputs / 50, Inputs);
        Assert.InRange(fuzzer.Causes.Count, 20, 50);
    }
}
