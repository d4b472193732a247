namespace FinerCut.Runtime.Native;

/// <summary>ggml_backend_tensor_get, _set and _memset with the bounds checked here: ggml itself would abort the process.</summary>
internal sealed unsafe class TensorData : ITensorData
{
    public void Read(nint tensor, Span<byte> destination, long offset)
    {
        Require(tensor, offset, destination.Length);
        fixed (byte* data = destination) Ggml.TensorGet(tensor, data, (nuint)offset, (nuint)destination.Length);
    }

    public void Write(nint tensor, ReadOnlySpan<byte> source, long offset)
    {
        Require(tensor, offset, source.Length);
        fixed (byte* data = source) Ggml.TensorSet(tensor, data, (nuint)offset, (nuint)source.Length);
    }

    public void Fill(nint tensor, byte value, long offset, long size)
    {
        Require(tensor, offset, size);
        Ggml.TensorMemset(tensor, value, (nuint)offset, (nuint)size);
    }

    private static void Require(nint tensor, long offset, long size)
    {
        ArgumentOutOfRangeException.ThrowIfZero(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        var bytes = (long)Ggml.ByteCount(tensor);
        if (size > bytes - offset)
            throw new ArgumentOutOfRangeException(nameof(size), size, $"Bytes {offset} to {offset + size} are not within the tensor's {bytes} bytes.");
    }
}
