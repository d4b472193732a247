using System.Net;
using System.Net.Sockets;
using System.Text;
using FinerCut.Gateway.Workers;

namespace FinerCut.Tests.Workers;

public class WorkerProbeTests
{
    [Fact]
    public async Task A_worker_that_does_not_answer_while_it_loads_is_asked_again()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var probe = new WorkerProbe(TimeProvider.System) { HealthTimeout = TimeSpan.FromMilliseconds(300) };
        var healthy = probe.WaitUntilHealthyAsync(new WorkerAddress($"http://{listener.LocalEndpoint}", "key"), TestContext.Current.CancellationToken);

        // The first question is left unanswered.
        using var silent = await listener.AcceptSocketAsync();
        using var second = await listener.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(30));
        await second.ReceiveAsync(new byte[4096]);
        await second.SendAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        await healthy.WaitAsync(TimeSpan.FromSeconds(30));
    }
}
