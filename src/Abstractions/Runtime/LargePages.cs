namespace FinerCut.Runtime;

/// <summary>
/// Pages of 2 MiB for what llama.cpp allocates: weights that are not mapped from their file, KV cells, intermediate results. A decode streams all of it, and with pages of 4 KiB it waits for the
/// tables of pages, in a virtual machine above all (docs/results.md). Glibc asks for them where it is told so before a process starts; elsewhere the variable means nothing, and where
/// the system has no such pages (transparent_hugepage = never) the advice does nothing.
/// </summary>
public static class LargePages
{
    /// <summary>Read by ld.so at a process's start (glibc manual, "Memory Allocation Tunables"); settings are separated by colons.</summary>
    public const string Variable = "GLIBC_TUNABLES";

    private const string Tunable = "glibc.malloc.hugetlb";

    /// <summary>Asks for them in a process that is about to be started. What the variable says of them already has the last word.</summary>
    public static void Want(IDictionary<string, string?> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var said = environment.TryGetValue(Variable, out var value) ? value : null;
        if (said?.Contains(Tunable, StringComparison.Ordinal) == true) return;
        environment[Variable] = string.IsNullOrEmpty(said) ? $"{Tunable}=1" : $"{said}:{Tunable}=1";
    }
}
