using System.Security.Cryptography;
using FinerCut.Gguf;
using FinerCut.Pruning.Rewriting;
using FinerCut.Pruning.Shapes;

namespace FinerCut.Worker.Gguf;

/// <summary>Writes a lean model without what a list names: no search, no scoring, no gate.</summary>
public static class HandPrune
{
    /// <exception cref="UsageException">The list asks for what the model has not.</exception>
    /// <exception cref="UnsupportedModelException">The model's architecture cannot be cut so.</exception>
    /// <exception cref="GgufWriteException">The file was not written.</exception>
    public static void Write(GgufShards source, string drop, int slices, string target, TextWriter output, IProgress<GgufProgress>? progress, CancellationToken stop)
    {
        if (slices < 1) throw new UsageException($"--slices {slices}: give 1 or more.");
        var model = source.Model;
        var shape = ModelShapeReader.Read(model);
        var mask = DropList.Parse(drop, FileUnits.Fine(model, shape, slices));
        var provenance = new Provenance(Sha256(source, stop), [mask.ToString()], [], "by hand");
        var plan = Rewriters.For(shape.Architecture).Plan(source, mask, provenance);
        var written = GgufWriter.Write(plan, target, progress, stop);
        var report = GgufCheck.Check(target);
        if (!report.IsSound)
        {
            File.Delete(target);
            throw new GgufWriteException(GgufWriteCause.ReadBack, target, $"the lean file is not sound and was removed: {report.Defects[0]}");
        }
        output.WriteLine($"left out: {mask}");
        output.WriteLine($"{written.Path}  {Sizes.Text(written.Bytes)} of {Sizes.Text(source.Length)} ({100.0 * written.Bytes / source.Length:F1} %)");
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
