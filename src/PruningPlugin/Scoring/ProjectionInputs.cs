using FinerCut.Runtime;

namespace FinerCut.Pruning.Scoring;

/// <summary>
/// What the output projections of some sublayers take in: the heads' outputs, or the FFN's channels, [tokens × channels] in single precision; channels
/// that the mask has gone are as they were before it took them out. Filled by a decode, batch by batch; memory is taken once and filled again. One owner.
/// </summary>
internal sealed class ProjectionInputs
{
    private readonly Dictionary<(int Batch, int Place), (float[] Buffer, int Length)> _inputs = [];
    private int[] _orders = [];

    public IReadOnlyCollection<int> Orders => _orders;

    /// <summary>From now on the inputs of other sublayers are wanted: those of the earlier ones are gone.</summary>
    public void Want(int[] orders) => _orders = orders;

    /// <summary>Until the batch's next decode.</summary>
    public ReadOnlySpan<float> Get(int batch, int order)
    {
        var (buffer, length) = _inputs[(batch, Array.IndexOf(_orders, order))];
        return buffer.AsSpan(0, length);
    }

    /// <summary>Called on the decoding thread, inside the callback.</summary>
    public void Read(int batch, int order, GraphNode input)
    {
        if (input.Nb(0) != sizeof(float)) throw new UnsupportedGraphException("A projection's input is not single precision.");
        var channels = checked((int)input.Ne(0));
        var rows = checked((int)(input.Ne(1) * input.Ne(2) * input.Ne(3)));
        var place = (batch, Array.IndexOf(_orders, order));
        var buffer = _inputs.TryGetValue(place, out var known) && known.Buffer.Length >= channels * rows ? known.Buffer : GC.AllocateUninitializedArray<float>(channels * rows);
        var values = buffer.AsSpan(0, channels * rows);
        if (input.Nb(1) == channels * (long)sizeof(float)) input.Read(values);
        else
        {
            for (var row = 0; row < rows; row++) input.Read(values.Slice(row * channels, channels), row * input.Nb(1));
        }

        _inputs[place] = (buffer, values.Length);
    }
}
