using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using FinerCut.Tests.Access;
using FinerCut.Tests.Processes;

namespace FinerCut.Tests.Cluster.Processes;

/// <summary>Mutual TLS between the machines of a cluster, as processes.</summary>
[Collection(PostgresCollection.Name)]
public class TlsTests(PostgresServer postgres)
{
    [Fact]
    public async Task Machines_with_certificates_of_one_authority_are_a_cluster_without_any_secret()
    {
        using var certificates = new TestCertificates("ours");
        await using var machines = await ThreeMachines.StartAsync(postgres, replicas: 2, cluster: certificates.Into);
        await Eventually.BeAsync(async () => await ThreeMachines.ReadyAsync(machines.Edge) == 2, () => machines.Logs, seconds: 90);
        foreach (var edge in (GatewayProcess[])[machines.Edge, machines.Both]) Assert.Null((await ChatStream.RunAsync(edge.Client, "tokens=3")).Problem);
    }

    [Fact]
    public async Task Who_has_no_certificate_of_the_authority_gets_no_word()
    {
        using var certificates = new TestCertificates("ours");
        using var others = new TestCertificates("others");
        var port = 0;
        await using var machine = ThreeMachines.Prepare("one", "Both", await postgres.NewDatabaseAsync(), 1, cluster =>
        {
            certificates.Into(cluster);
            port = cluster["Port"]!.GetValue<int>();
        });
        await machine.RunAsync();
        var (certificate, key) = certificates.Issue("caller");
        using var own = X509Certificate2.CreateFromPemFile(certificate, key);
        (certificate, key) = others.Issue("caller");
        using var foreign = X509Certificate2.CreateFromPemFile(certificate, key);
        Assert.True(await StaysOpenAsync(port, own), "even the right certificate is refused, so nothing is proved");
        Assert.False(await StaysOpenAsync(port, null));
        Assert.False(await StaysOpenAsync(port, foreign));
        Assert.False(await StaysOpenAsync(port, certificate: null, tls: false));
    }

    /// <summary>Whether the machine waits for this end's first word, rather than closing or saying that it will not talk.</summary>
    private static async Task<bool> StaysOpenAsync(int port, X509Certificate2? certificate, bool tls = true)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", port);
        Stream stream = socket.GetStream();
        try
        {
            if (tls)
            {
                var secured = new SslStream(stream, leaveInnerStreamOpen: false, (_, remote, _, _) => remote is not null);
                await secured.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "finercut", ClientCertificates = certificate is null ? null : [certificate] });
                stream = secured;
            }
            else await stream.WriteAsync("hello, anybody there? this is not TLS at all"u8.ToArray());

            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(3));
            var buffer = new byte[16];
            // Orleans' own preamble may come; its end, or an alert, is a refusal.
            while (await stream.ReadAsync(buffer, patience.Token) > 0)
            {
            }

            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
        catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException or SocketException)
        {
            return false;
        }
        finally
        {
            await stream.DisposeAsync();
        }
    }
}
