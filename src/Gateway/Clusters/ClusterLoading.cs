using System.Runtime.Loader;

namespace FinerCut.Gateway.Clusters;

/// <summary>Finds the cluster's program by name, in cluster/ beside this one. Without a call of it, nothing of it is loaded.</summary>
public static class ClusterLoading
{
    public const string Assembly = "FinerCut.Cluster";
    public const string Door = "FinerCut.Cluster.Hosting.ClusterDoor";

    /// <exception cref="ClusterException">It is not there.</exception>
    public static IClusterDoor Load()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "cluster", Assembly + ".dll");
        if (!File.Exists(path))
        {
            throw new ClusterException($"Cluster:Mode is Orleans, but the cluster's program is not at {path}: build the whole solution, or run dotnet publish src/Cluster and put its output there.");
        }

        // Into the one load context that the gateway itself lives in: both share the types of the seam.
        var resolver = new AssemblyDependencyResolver(path);
        AssemblyLoadContext.Default.Resolving += (context, name) => resolver.ResolveAssemblyToPath(name) is { } found ? context.LoadFromAssemblyPath(found) : null;
        var type = AssemblyLoadContext.Default.LoadFromAssemblyPath(path).GetType(Door, throwOnError: true)!;
        return (IClusterDoor)Activator.CreateInstance(type)!;
    }
}
