using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// What the output projections of some sublayers take in: the heads' outputs, or the FFN's channels, [tokens × channels] in single precision; channels
/// that the mask has gone are zero. Filled by a decode, batch by batch. One owner.
/// </summary>
/// <param name="orders">Of the sublayers.</param>
internal sealed class ProjectionInputs(IReadOnlyCollection<int> orders)
{
    private readonly Dictionary<(int Batch, int Order), float[]> _inputs = [];

    public IReadOnlyCollection<int> Orders { get; } = orders;

    public float[] Get(int batch, int order) => _inputs[(batch, order)];

    /// <summary>Called on the decoding thread, inside the callback.</summary>
    public void Read(int batch, int order, GraphNode input)
    {
        if (input.Nb(0) != sizeof(float)) throw new UnsupportedGraphException("A projection's input is not single precision.");
        var channels = checked((int)input.Ne(0));
        var rows = checked((int)(input.Ne(1) * input.Ne(2) * input.Ne(3)));
        var values = GC.AllocateUninitializedArray<float>(channels * rows);
        if (input.Nb(1) == channels * (long)sizeof(float)) input.Read<float>(values);
        else
        {
            for (var row = 0; row < rows; row++) input.Read(values.AsSpan(row * channels, channels), row * input.Nb(1));
        }

        _inputs[(batch, order)] = values;
    }
}
