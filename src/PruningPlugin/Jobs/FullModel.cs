using FinerCut.Gguf;
using FinerCut.Masks;
using FinerCut.Pruning.Shapes;
using FinerCut.Runtime;

namespace FinerCut.Pruning.Jobs;

/// <summary>The model that a job prunes: its file or files, what they say, and the loaded weights.</summary>
internal sealed record FullModel(GgufShards File, ModelShape Shape, string Sha256, ILlamaModel Model) : IDisposable
{
    /// <param name="check">Throws where the job cannot be done with a model of this shape; called before anything slow.</param>
    public static FullModel Open(JobContext context, Action<ModelShape> check, CancellationToken cancellationToken)
    {
        var path = context.Request.ModelPath;
        if (GgufCheck.Check(path) is { IsSound: false } report) throw new GgufException(report.Defects[0], path);
        var file = GgufShards.Open(path);
        try
        {
            var shape = ModelShapeReader.Read(file.Model);
            check(shape);
            var sha256 = JobFingerprint.OfModel(file, cancellationToken);
            return new FullModel(file, shape, sha256, context.Load(file.Files[0].Path, cancellationToken));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        File.Dispose();
    }
}
