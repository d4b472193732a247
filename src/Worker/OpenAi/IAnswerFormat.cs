using System.Buffers;
using FinerCut.Worker.Batching;

namespace FinerCut.Worker.OpenAi;

/// <summary>One choice's whole answer.</summary>
/// <param name="Text">UTF-8.</param>
public sealed record Answer(int Choice, ReadOnlyMemory<byte> Text, IReadOnlyList<TokenLogprob> Logprobs, GenerationEnd End);

/// <summary>
/// Writes answers in the shape of one endpoint: as one JSON document, or as server-sent events. One instance a response, used by one thread.
/// </summary>
internal interface IAnswerFormat
{
    /// <summary>What comes before a choice's first text; may be nothing.</summary>
    void Open(IBufferWriter<byte> stream, int choice);

    /// <summary>How far the prompt of a choice is, where the client asked for that; comes before its first text.</summary>
    void Report(IBufferWriter<byte> stream, int choice, PromptProgress progress)
    {
    }

    /// <summary>Text and log-probabilities that have come since; the parcel is not empty.</summary>
    void Append(IBufferWriter<byte> stream, int choice, Parcel parcel);

    void Close(IBufferWriter<byte> stream, int choice, GenerationEnd end);

    /// <summary>What comes after all choices.</summary>
    void Complete(IBufferWriter<byte> stream, IReadOnlyList<GenerationEnd> ends);

    /// <summary>The last event of a stream that cannot be finished.</summary>
    void Fail(IBufferWriter<byte> stream, ApiError error) => EventFrames.Error(stream, error);

    void Whole(IBufferWriter<byte> body, IReadOnlyList<Answer> answers);
}
