namespace FinerCut.Worker.Sequences;

/// <summary>
/// Counts the KV cells that sequences hold, shared ones once. The cells form a tree of runs: a sequence is a path from the root, and a run lives
/// while a path goes through it. Single-threaded.
/// </summary>
public sealed class CellLedger
{
    /// <summary>Cells held by at least one sequence.</summary>
    public int Used { get; private set; }

    /// <summary>Consecutive cells with the same holders.</summary>
    internal sealed class Run(Run? parent, int length)
    {
        public Run? Parent { get; set; } = parent;

        public int Length { get; set; } = length;

        /// <summary>Paths that go through this run.</summary>
        public int Holders { get; set; } = 1;
    }

    /// <summary>A sequence's cells, from its first position to its last.</summary>
    internal sealed class Path
    {
        public Run? Tail { get; set; }

        public int Length { get; set; }
    }

    /// <summary>New cells at the path's end, held by nobody else.</summary>
    internal void Grow(Path path, int count)
    {
        if (count == 0) return;
        if (path.Tail is { Holders: 1 } own) own.Length += count;
        else path.Tail = new Run(path.Tail, count);
        path.Length += count;
        Used += count;
    }

    /// <summary>Makes an empty path hold the source's first cells as well.</summary>
    internal static void Share(Path source, Path target, int length)
    {
        if (target.Length != 0) throw new InvalidOperationException("Only an empty path can take over another's cells.");
        if (length == 0) return;
        var run = CutAt(source, length);
        target.Tail = run;
        target.Length = length;
        for (var up = run; up is not null; up = up.Parent) up.Holders++;
    }

    /// <summary>Gives up the path's cells from <paramref name="length"/> on.</summary>
    internal void Truncate(Path path, int length)
    {
        if (length >= path.Length) return;
        var keep = length == 0 ? null : CutAt(path, length);
        for (var run = path.Tail; run != keep; run = run!.Parent)
        {
            if (--run!.Holders == 0) Used -= run.Length;
        }

        path.Tail = keep;
        path.Length = length;
    }

    /// <summary>Cells that only this path holds: what its end would free.</summary>
    internal static int Private(Path path)
    {
        var count = 0;
        for (var run = path.Tail; run is { Holders: 1 }; run = run.Parent) count += run.Length;
        return count;
    }

    /// <summary>The run that ends exactly at <paramref name="length"/>; splits one where it must.</summary>
    private static Run CutAt(Path path, int length)
    {
        var end = path.Length;
        var run = path.Tail!;
        while (end - run.Length >= length)
        {
            end -= run.Length;
            run = run.Parent!;
        }

        if (end == length) return run;
        // The run stays the one that paths point at, as their end; its first part becomes a new parent.
        var first = new Run(run.Parent, length - (end - run.Length)) { Holders = run.Holders };
        run.Length -= first.Length;
        run.Parent = first;
        return first;
    }
}
