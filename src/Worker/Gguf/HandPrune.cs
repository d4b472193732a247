using System.Globalization;
using System.Security.Cryptography;
using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Proofs;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Worker.Gguf;

/// <summary>
/// Writes a lean model without what a list names: no search, no scoring, no gate. The file stands at its place only after llama.cpp has loaded it
/// and computed with it what the masked full model computes.
/// </summary>
/// <param name="runtime">Loads both files once to compare them; null = the file is checked, not loaded.</param>
public sealed class HandPrune(Func<ILlamaRuntime>? runtime, TextWriter output)
{
    /// <param name="source">The full model.</param>
    /// <param name="drop">attn:3,ffn:7-9,block:4,attn:5/kv1,ffn:6/slice0-3.</param>
    /// <param name="slices">Units that an FFN is divided into.</param>
    /// <param name="target">Where to write.</param>
    /// <exception cref="UsageException">The list asks for what the model has not.</exception>
    /// <exception cref="UnsupportedModelException">The model's architecture cannot be cut so.</exception>
    /// <exception cref="GgufWriteException">The file was not written, or is not what it should be and was removed.</exception>
    public void Write(GgufShards source, string drop, int slices, string target, IProgress<GgufProgress>? progress, CancellationToken stop)
    {
        if (slices < 1) throw new UsageException($"--slices {slices}: give 1 or more.");
        var model = source.Model;
        var shape = ModelShapeReader.Read(model);
        var mask = DropList.Parse(drop, FileUnits.Fine(model, shape, slices));
        var provenance = new Provenance(Sha256(source, stop), [mask.ToString()], [], "by hand");
        var plan = Rewriters.For(shape.Architecture).Plan(source, mask, provenance);
        var lean = plan.Find(GgufKeys.Architecture)!.GetText();
        var unproven = target + ".unproven";
        try
        {
            var written = GgufWriter.Write(plan, unproven, progress, stop);
            if (GgufCheck.Check(unproven) is { IsSound: false } report)
            {
                throw new GgufWriteException(GgufWriteCause.ReadBack, target, $"the lean file is not sound and was removed: {report.Defects[0]}");
            }

            output.WriteLine($"left out: {mask}");
            if (runtime is not null) Compare(runtime(), source, unproven, target, mask, Rewriters.ToleranceOf(model, lean), stop);
            File.Move(unproven, target, overwrite: true);
            output.WriteLine($"{target}  {lean}, {Sizes.Text(written.Bytes)} of {Sizes.Text(source.Length)} ({100.0 * written.Bytes / source.Length:F1} %)");
        }
        finally
        {
            File.Delete(unproven);
        }
    }

    private void Compare(ILlamaRuntime natives, GgufShards source, string lean, string target, CutMask mask, double tolerance, CancellationToken stop)
    {
        ComparisonFigures figures;
        try
        {
            figures = FileComparison.Run(natives, source.Files[0].Path, lean, mask, Environment.ProcessorCount, stop);
        }
        catch (LlamaException e)
        {
            throw new GgufWriteException(GgufWriteCause.ReadBack, target, $"llama.cpp does not run one of the two files, so the lean one was removed: {e.Code}: {e.Message}");
        }

        output.WriteLine(figures.MaxDifference is { } difference
            ? string.Create(CultureInfo.InvariantCulture, $"logits: largest difference to the full model with the same parts masked {difference:G3} (up to {tolerance:G3} expected); to the full model {figures.ToFull:G3}; its logits span {figures.Spread:G3}")
            : string.Create(CultureInfo.InvariantCulture, $"logits: the file loads; largest difference to the full model {figures.ToFull:G3}; its logits span {figures.Spread:G3}; no comparison with masked parts: {figures.Reason}"));
        if (!(figures.MaxDifference is null || figures.MaxDifference <= tolerance))
        {
            throw new GgufWriteException(GgufWriteCause.ReadBack, target, "the lean file does not compute what the masked model does, and was removed");
        }
    }

    private static string Sha256(GgufShards source, CancellationToken stop)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var file in source.Files)
        {
            using var stream = File.OpenRead(file.Path);
            for (int read; (read = stream.Read(buffer)) > 0;)
            {
                stop.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
