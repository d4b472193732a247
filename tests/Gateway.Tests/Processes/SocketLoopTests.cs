using System.Text;

namespace FinerCut.Tests.Processes;

public class SocketLoopTests
{
    private const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    [Fact]
    public async Task Sockets_are_gone_on_from_by_a_thread_a_core_in_the_gateway_and_as_usual_in_its_workers()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        Assert.Equal(Environment.ProcessorCount, SocketThreads(gateway.Id));
        Assert.DoesNotContain(Variable, Encoding.UTF8.GetString(await File.ReadAllBytesAsync($"/proc/{worker}/environ")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_has_the_last_word_and_workers_hear_it_too()
    {
        await using var gateway = GatewayProcess.Prepare();
        gateway.Environment[Variable] = "0";
        await gateway.RunAsync();
        var worker = Assert.Single(await gateway.WorkersAsync()).GetProperty("process_id").GetInt32();
        // .NET's usual way: one thread for thirty cores.
        Assert.Equal((Environment.ProcessorCount + 29) / 30, SocketThreads(gateway.Id));
        Assert.Contains(Variable + "=0", Encoding.UTF8.GetString(await File.ReadAllBytesAsync($"/proc/{worker}/environ")), StringComparison.Ordinal);
    }

    private static int SocketThreads(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task").Count(thread => File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(".NET Sockets", StringComparison.Ordinal));
}
