using System.Buffers;
using System.Threading.Channels;

namespace FinerCut.Worker.Batching;

/// <summary>What came out of a generation since the reader last looked. Reused: the reader clears it and gives it back.</summary>
public sealed class Parcel
{
    /// <summary>Whole UTF-8 characters.</summary>
    public ArrayBufferWriter<byte> Text { get; } = new(64);

    public List<TokenLogprob> Logprobs { get; } = [];

    /// <summary>Tokens behind <see cref="Text"/>, those included whose text is still held back.</summary>
    public int Tokens { get; set; }

    /// <summary>How far the prompt is, oldest first; empty where nobody asked.</summary>
    public List<PromptProgress> Progress { get; } = [];

    /// <summary>At the newest token; null where nobody asked.</summary>
    public GenerationFigures? Figures { get; set; }

    /// <summary>Set with the last parcel.</summary>
    public GenerationEnd? End { get; set; }

    public void Clear()
    {
        Text.ResetWrittenCount();
        Logprobs.Clear();
        Progress.Clear();
        Figures = null;
        Tokens = 0;
        End = null;
    }
}

/// <summary>Wakes the one reader of a response, which may wait for several generations.</summary>
public sealed class OutboxSignal
{
    private readonly Channel<bool> _channel = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite,
        SingleReader = true,
        AllowSynchronousContinuations = false,
    });

    public void Raise() => _channel.Writer.TryWrite(true);

    public ValueTask<bool> WaitAsync(CancellationToken cancellationToken) => _channel.Reader.ReadAsync(cancellationToken);
}

/// <summary>
/// Hands a generation's tokens from the batch loop to the response. The loop never waits: what a slow reader has not taken grows in one
/// parcel, up to a bound. One writer, one reader.
/// </summary>
public sealed class Outbox(OutboxSignal signal)
{
    /// <summary>Bytes of text that may wait for a reader who does not come.</summary>
    public const int MostBytes = 1 << 20;

    private readonly Lock _gate = new();
    private Parcel _filling = new();
    private bool _touched;

    /// <summary>Adds a token's share. False where the reader is too far behind: the generation should end.</summary>
    /// <param name="figures">Where the request wants them with each token.</param>
    public bool Post(ReadOnlySpan<byte> text, TokenLogprob? logprob, GenerationFigures? figures = null)
    {
        lock (_gate)
        {
            _filling.Tokens++;
            if (!text.IsEmpty) _filling.Text.Write(text);
            if (logprob is { } entry) _filling.Logprobs.Add(entry);
            if (figures is not null) _filling.Figures = figures;
            _touched = true;
            return _filling.Text.WrittenCount <= MostBytes;
        }
    }

    public void Post(PromptProgress progress)
    {
        lock (_gate)
        {
            _filling.Progress.Add(progress);
            _touched = true;
        }
    }

    public void Close(ReadOnlySpan<byte> rest, GenerationEnd end)
    {
        lock (_gate)
        {
            if (!rest.IsEmpty) _filling.Text.Write(rest);
            _filling.End = end;
            _touched = true;
        }
    }

    /// <summary>Wakes the reader if anything was added since; the loop calls it for all sequences of a step at once.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            if (!_touched) return;
            _touched = false;
        }

        signal.Raise();
    }

    /// <summary>Takes what is there and leaves an empty parcel in its place. The result may be empty too.</summary>
    public Parcel Take(Parcel empty)
    {
        ArgumentNullException.ThrowIfNull(empty);
        lock (_gate)
        {
            var taken = _filling;
            _filling = empty;
            return taken;
        }
    }
}
