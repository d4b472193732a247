using System.Diagnostics;
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

    /// <summary>More orders than there are socket threads wait for a file that does not open: nobody else does.</summary>
    [Fact]
    public async Task Orders_that_wait_for_a_file_hold_up_nobody_else()
    {
        await using var gateway = await GatewayProcess.StartAsync();
        await gateway.PassJobAsync();
        var file = Path.Combine(gateway.Folder, "tiny.gguf");
        File.Delete(file);
        using (var make = Process.Start("mkfifo", file)) await make.WaitForExitAsync();
        var orders = Task.WhenAll(Enumerable.Range(0, 4 * Environment.ProcessorCount).Select(_ => gateway.SendAsync(HttpMethod.Post, $"/admin/models/{GatewayProcess.Model}/prune", """{"budget":{"sublayers":3}}""")));
        try
        {
            for (var i = 0; i < 20; i++) Assert.Null((await ChatStream.RunAsync(gateway.Client, "tokens=2").WaitAsync(TimeSpan.FromSeconds(30))).Problem);
            Assert.False(orders.IsCompleted);
        }
        finally
        {
            // Opened for reading and writing, a pipe waits for nobody, and lets go those who wait; closed, they find its end.
            await Eventually.BeAsync(() =>
            {
                new FileStream(file, FileMode.Open, FileAccess.ReadWrite).Dispose();
                return orders.IsCompleted;
            }, () => gateway.Log);
        }

        Assert.All(await orders, order => Assert.False((int)order.Status < 400));
    }

    private static int SocketThreads(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task").Count(thread => File.ReadAllText(Path.Combine(thread, "comm")).StartsWith(".NET Sockets", StringComparison.Ordinal));
}
