using System.Security.Cryptography.X509Certificates;

namespace FinerCut.Cluster.Hosting;

/// <summary>Trusts certificates that one of the cluster's own authorities signed, and no others, whatever else the machine trusts.</summary>
internal sealed class AuthorityTrust
{
    private readonly X509Certificate2Collection _authorities = [];

    public AuthorityTrust(string pemFile) => _authorities.ImportFromPemFile(pemFile);

    public bool Holds(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        // The cluster's own authority has no list of revoked certificates: change the authority instead.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(certificate);
    }
}
