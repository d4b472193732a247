using FinerCut.Runtime;
using FinerCut.Runtime.Native;

namespace FinerCut.Tests.LlamaRuntime;

[Collection(nameof(RealModelTests))]
public sealed class NativesTests(RealModel real)
{
    [Fact]
    public void The_library_says_which_release_it_is_and_where_it_was_loaded_from()
    {
        Assert.False(string.IsNullOrWhiteSpace(real.Runtime.Info.Version));
#if LLAMASHARP
        Assert.Equal("LLamaSharp", real.Runtime.Info.Adapter);
        Assert.Equal("815a2a591", real.Runtime.Info.Version); // with the package this changes: docs/runtimes.md says what to look at again
        Assert.StartsWith(Path.Combine(AppContext.BaseDirectory, "runtimes"), real.Runtime.Info.Folder, StringComparison.Ordinal);
#else
        Assert.Equal("Native", real.Runtime.Info.Adapter);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, "natives"), real.Runtime.Info.Folder);
#endif
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

#if !LLAMASHARP
    [Fact]
    public void Natives_with_a_backend_in_their_names_are_found()
    {
        using var folder = new TempFolder();
        foreach (var name in (string[])["libllama.cuda.v0.5.0.so", "libggml.cuda.v0.5.0.so", "libggml-base.so"]) File.WriteAllText(Path.Combine(folder.Path, name), "not a library");
        var thrown = Assert.Throws<LlamaException>(() => NativeRuntime.Open(new NativeRuntimeOptions { Folder = folder.Path }));
        Assert.Contains("already loaded", thrown.Message, StringComparison.Ordinal);
    }
#endif

    [Fact]
    public void A_GPU_backend_that_does_not_load_is_named_with_the_reason()
    {
        using var folder = new TempFolder();
        Assert.Null(GpuBackends.Trouble(folder.Path));
        File.WriteAllText(folder.File("libggml-cpu-x64.so"), "not a library");
        Assert.Null(GpuBackends.Trouble(folder.Path));
        Directory.CreateDirectory(folder.File("fallback"));
        File.WriteAllText(folder.File("libggml-cuda.so"), "not a library");
        File.WriteAllText(folder.File("fallback/libggml-cuda.so"), "not a library");
        var trouble = GpuBackends.Trouble(folder.Path);
        Assert.StartsWith("fallback/libggml-cuda.so does not load (", trouble, StringComparison.Ordinal);
        Assert.Contains("; libggml-cuda.so does not load (", trouble, StringComparison.Ordinal);
    }

    [Fact]
    public void Opening_again_gives_the_same_runtime() => Assert.Same(real.Runtime, NativeRuntime.Open());
}
