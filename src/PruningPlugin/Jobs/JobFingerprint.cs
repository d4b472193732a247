using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using FinerCut.Calibration;
using FinerCut.Gguf;
using FinerCut.Jobs;

namespace FinerCut.Pruning.Jobs;

/// <summary>What binds a checkpoint to its job: the request's values, the model's bytes and the calibration tokens. Pure.</summary>
internal static class JobFingerprint
{
    public static string Of(PruneRequest request, string modelSha256, CalibrationSet calibration)
    {
        // Names, places, threads and who else scores do not change what the search finds.
        var what = request with { JobId = "", ModelPath = "", OutputPath = "", WorkFolder = "", CalibrationPath = "", HeldOutPath = "", Threads = 0, Yield = false, Scorers = [] };
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(what, ContractJson.Default.PruneRequest));
        hash.AppendData(Convert.FromHexString(modelSha256));
        foreach (var sequence in calibration.Sequences)
        {
            hash.AppendData(BitConverter.GetBytes(sequence.Tokens.Length));
            hash.AppendData(MemoryMarshal.AsBytes(sequence.Tokens.AsSpan()));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>SHA-256 of a model's bytes; of a split one of all its files, one after the other.</summary>
    public static string OfModel(GgufShards model, CancellationToken cancellationToken) => OfFiles([.. model.Files.Select(file => file.Path)], cancellationToken);

    public static string OfFile(string path, CancellationToken cancellationToken) => OfFiles([path], cancellationToken);

    private static string OfFiles(IReadOnlyList<string> paths, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var path in paths)
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.SequentialScan);
            while (file.Read(buffer) is > 0 and var read)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
