using System.Collections.Immutable;
using System.Globalization;
using FinerCut.Calibration;
using FinerCut.Pruning.Texts;

namespace FinerCut.Pruning.Jobs;

/// <summary>General text that a job lets the full model write, kept in the work folder, so that a job that resumes has the same.</summary>
internal static class OwnText
{
    /// <summary>Tokens of each text; fewer are not worth writing.</summary>
    public const int Tokens = 128;

    /// <param name="file">Name within the work folder.</param>
    /// <param name="wanted">Tokens together.</param>
    /// <param name="progress">Tokens written and wanted; not called where nothing has to be written.</param>
    public static ImmutableArray<TokenSequence> Written(JobContext context, FullModel full, string file, int wanted, int seed, Action<int, int> progress, CancellationToken cancellationToken) => KeptTexts.ReadOrMake(
        Path.Combine(context.Request.WorkFolder, file), string.Create(CultureInfo.InvariantCulture, $"{full.Sha256} {wanted} {seed}"), wanted,
        told => GeneratedText.Make(full.Model, wanted, Math.Min(Tokens, context.Request.MaxSequenceTokens), seed, context.Threads, told, cancellationToken), progress);
}
