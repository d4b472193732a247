using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace FinerCut.Gateway.Redaction;

/// <summary>Access keys: this gateway's own, those of well-known services, tokens, private keys, and what follows "password:" and the like.</summary>
internal static class SecretPatterns
{
    private static readonly ImmutableArray<Regex> Patterns =
    [
        Of(@"fc-[0-9a-f]{16}-[A-Za-z0-9_-]{43}"),
        Of(@"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"),
        Of(@"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"),
        Of(@"\b(?:AKIA|ASIA|AGPA|AROA)[0-9A-Z]{16}\b"),
        Of(@"\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}"),
        Of(@"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bhf_[A-Za-z0-9]{20,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}"),
        Of(@"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}"),
        Of(@"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
        Of(@"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{12,}=*"),
        Of(@"(?i)(?:api[ _-]?key|access[ _-]?key|secret|token|password|passwd|passphrase|pwd)[""']?\s{0,3}[:=]\s{0,3}[""']?[^\s""',;<>\[\]]{6,}"),
    ];

    public static void Find(string text, int rank, List<Stretch> found)
    {
        foreach (var pattern in Patterns) Redactor.Collect(pattern, text, "key", rank, found);
    }

    private static Regex Of(string pattern) => new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
}
