using FinerCut.Runtime;

namespace FinerCut.Worker.Completions;

/// <summary>Bytes of tokens, in one buffer that is used again. Not thread-safe.</summary>
internal sealed class TokenPieces(IVocabulary vocabulary)
{
    private byte[] _piece = new byte[256];

    /// <summary>Valid until the next call.</summary>
    /// <param name="special">Control tokens are spelled out instead of left out.</param>
    public ReadOnlySpan<byte> Of(int token, bool special)
    {
        var length = vocabulary.Piece(token, _piece, special);
        if (length < 0)
        {
            _piece = new byte[-length];
            length = vocabulary.Piece(token, _piece, special);
        }

        return _piece.AsSpan(0, Math.Max(0, length));
    }
}
