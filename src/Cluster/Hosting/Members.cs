using Orleans.Runtime;

namespace FinerCut.Cluster.Hosting;

/// <summary>The machines of the cluster as Orleans' membership has them, seen from this one. Thread-safe.</summary>
public sealed class Members(IClusterMembershipService membership, ILocalSiloDetails self)
{
    public string Name => self.Name;

    public SiloAddress Self => self.SiloAddress;

    /// <summary>Whether the process is known to be gone, or was never heard of and another has its place.</summary>
    public bool IsDead(SiloAddress silo)
    {
        var snapshot = membership.CurrentSnapshot;
        if (snapshot.GetSiloStatus(silo) == SiloStatus.Dead) return true;
        return snapshot.Members.Values.Any(member => member.SiloAddress.Endpoint.Equals(silo.Endpoint) && member.SiloAddress.Generation > silo.Generation && member.Status != SiloStatus.Dead);
    }

    /// <summary>All that are not gone, by name.</summary>
    public IReadOnlyList<ClusterMember> All => [.. membership.CurrentSnapshot.Members.Values.Where(member => member.Status != SiloStatus.Dead)
        .OrderBy(member => member.Name, StringComparer.Ordinal)];
}
