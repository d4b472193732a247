using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class NativesTests(RealModel real)
{
    [Fact]
    public void The_library_says_which_release_it_is_and_where_it_was_loaded_from()
    {
        Assert.Equal("Native", real.Runtime.Info.Adapter);
        Assert.False(string.IsNullOrWhiteSpace(real.Runtime.Info.Version));
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, "natives"), real.Runtime.Info.Folder);
        Assert.Contains("CPU", real.Runtime.Info.System, StringComparison.Ordinal);
    }

    [Fact]
    public void The_loaded_library_has_the_layout_of_the_binding() => Assert.Empty(AbiCheck.Faults());

    [Fact]
    public void Another_layout_is_found_out()
    {
        Assert.Contains(AbiCheck.Faults(new GgmlTensorLayout { Name = 264 }), fault => fault.Contains("name", StringComparison.Ordinal));
        Assert.Contains(AbiCheck.Faults(new GgmlTensorLayout { Src = 160 }), fault => fault.Contains("src[0]", StringComparison.Ordinal));
        Assert.Contains(AbiCheck.Faults(new GgmlTensorLayout { Size = 344 }), fault => fault.Contains("sizeof", StringComparison.Ordinal));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named_with_what_to_do()
    {
        var thrown = Assert.Throws<LlamaException>(() => NativeRuntime.Open(new NativeRuntimeOptions { Folder = "/no/such/folder" }));
        Assert.Equal(LlamaErrorCode.NativesMissing, thrown.Code);
        Assert.Contains("/no/such/folder", thrown.Message, StringComparison.Ordinal);
        Assert.Contains(NativeRuntimeOptions.FolderVariable, thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_the_libraries_says_which_are_missing()
    {
        using var folder = new TempFolder();
        File.WriteAllText(Path.Combine(folder.Path, "libllama.so"), "not a library");
        var thrown = Assert.Throws<LlamaException>(() => NativeRuntime.Open(new NativeRuntimeOptions { Folder = folder.Path }));
        Assert.Equal(LlamaErrorCode.NativesMissing, thrown.Code);
        Assert.Contains("libggml, libggml-base", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_folder_in_one_process_is_refused()
    {
        using var folder = new TempFolder();
        foreach (var name in (string[])["libllama.so", "libggml.so", "libggml-base.so"]) File.WriteAllText(Path.Combine(folder.Path, name), "not a library");
        var thrown = Assert.Throws<LlamaException>(() => NativeRuntime.Open(new NativeRuntimeOptions { Folder = folder.Path }));
        Assert.Contains("already loaded", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Opening_again_gives_the_same_runtime() => Assert.Same(real.Runtime, NativeRuntime.Open());
}
