namespace FinerCut.Words;

/// <summary>Finds the known name that a wrong one was probably meant to be.</summary>
public static class NearestName
{
    /// <summary>The known name within a third of the word's length in edits (at least 2), or null.</summary>
    public static string? To(string word, IEnumerable<string> known)
    {
        var best = known.Select(name => (Name: name, Edits: Edits(word.ToUpperInvariant(), name.ToUpperInvariant())))
            .OrderBy(candidate => candidate.Edits).ThenBy(candidate => candidate.Name, StringComparer.Ordinal).FirstOrDefault();
        return best.Name is not null && best.Edits <= Math.Max(2, word.Length / 3) ? best.Name : null;
    }

    /// <summary>Levenshtein distance.</summary>
    public static int Edits(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
