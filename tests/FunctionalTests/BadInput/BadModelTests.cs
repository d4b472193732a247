using FinerCut.FunctionalTests.Hosting;

namespace FinerCut.FunctionalTests.BadInput;

/// <summary>What a wrong model file says to the person who starts the gateway with it.</summary>
public class BadModelTests
{
    private const int BadInput = 2;

    [Fact]
    public Task A_truncated_file_is_refused_with_what_lies_past_its_end() => RefusedAsync(
        path =>
        {
            using var whole = File.OpenRead(Checkout.Model);
            var start = new byte[5_000_000];
            whole.ReadExactly(start);
            File.WriteAllBytes(path, start);
        },
        "expected an end within");

    [Fact]
    public Task A_text_file_is_refused_as_no_gguf() => RefusedAsync(path => File.WriteAllText(path, "This is not a model, it is a note about one."), "GGUF");

    [Fact]
    public Task A_missing_file_is_refused_by_its_path() => RefusedAsync(_ => { }, "model.gguf");

    private static async Task RefusedAsync(Action<string> make, string says)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        using var folder = new TempFolder();
        make(folder["model.gguf"]);
        await using var gateway = ChildProcess.Start(Checkout.Gateway, ["--Listen:Port", "0", "--State:Path", folder["state"], "--Models:mine:Path", folder["model.gguf"]]);
        Assert.Equal(BadInput, await gateway.WaitForExitAsync(cancellationToken));
        Assert.Contains("Models:mine", gateway.Errors, StringComparison.Ordinal);
        Assert.Contains(says, gateway.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", gateway.Errors, StringComparison.Ordinal);
    }
}
