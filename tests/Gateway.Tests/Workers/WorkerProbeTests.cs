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

        // The first question is left unanswered; on a busy machine the next may be given up before its answer comes, too.
        using var silent = await listener.AcceptSocketAsync();
        using var enough = new CancellationTokenSource();
        var answering = AnswerAsync();
        await healthy.WaitAsync(TimeSpan.FromMinutes(2));
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answering);

        async Task AnswerAsync()
        {
            while (true)
            {
                using var next = await listener.AcceptSocketAsync(enough.Token);
                await next.ReceiveAsync(new byte[4096]);
                await next.SendAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
            }
        }
    }
}
