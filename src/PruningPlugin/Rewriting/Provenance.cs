using System.Collections.Immutable;
using System.Reflection;
using FinerCut.Gguf;

namespace FinerCut.Pruning.Rewriting;

/// <summary>Where a lean file comes from; written into it under finercut.*.</summary>
/// <param name="ParentSha256">Of the full model's file.</param>
/// <param name="Removed">Steps in their order: what each one removed.</param>
/// <param name="Distances">After each step.</param>
/// <param name="Method">Search and distance, such as lazy_greedy/jensen_shannon.</param>
public sealed record Provenance(string ParentSha256, ImmutableArray<string> Removed, ImmutableArray<double> Distances, string Method)
{
    internal void AddTo(GgufEdit edit)
    {
        edit.Set("finercut.version", typeof(Provenance).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0");
        edit.Set("finercut.parent.sha256", ParentSha256);
        edit.Set("finercut.method", Method);
        if (Removed.Length == 0) return;
        edit.Set("finercut.removed", GgufValue.ArrayOf([.. Removed]));
        edit.Set("finercut.distances", GgufValue.ArrayOf<double>(Distances.AsSpan()));
    }
}
