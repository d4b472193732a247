using System.Globalization;
using System.Text;

namespace FinerCut.Worker.Tools;

internal enum JsonStep
{
    More,

    /// <summary>Text only: a character was read.</summary>
    Char,

    /// <summary>This character was the last.</summary>
    Done,

    /// <summary>The value ended before this character.</summary>
    DoneBefore,

    Broken,
}

/// <summary>Reads a JSON string behind its opening quotation mark, character by character.</summary>
internal sealed class JsonTextReader
{
    private readonly StringBuilder _hex = new(4);
    private bool _escaped;
    private bool _inHex;

    public char Value { get; private set; }

    public JsonStep Push(char next)
    {
        if (_inHex)
        {
            _hex.Append(next);
            if (!char.IsAsciiHexDigit(next)) return JsonStep.Broken;
            if (_hex.Length < 4) return JsonStep.More;
            _inHex = false;
            Value = (char)int.Parse(_hex.ToString(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            _hex.Clear();
            return JsonStep.Char;
        }

        if (!_escaped)
        {
            if (next == '"') return JsonStep.Done;
            if (next == '\\')
            {
                _escaped = true;
                return JsonStep.More;
            }

            Value = next;
            return JsonStep.Char;
        }

        _escaped = false;
        if (next == 'u')
        {
            _inHex = true;
            return JsonStep.More;
        }

        Value = next switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', _ => next };
        return next is 'n' or 't' or 'r' or 'b' or 'f' or '"' or '\\' or '/' ? JsonStep.Char : JsonStep.Broken;
    }
}

/// <summary>Finds where a JSON value ends, character by character. Looks at brackets and strings only.</summary>
internal sealed class JsonValueScan
{
    private bool _started;
    private bool _inText;
    private bool _escaped;
    private int _depth;

    public JsonStep Push(char next)
    {
        if (_inText)
        {
            if (_escaped) _escaped = false;
            else if (next == '\\') _escaped = true;
            else if (next == '"') _inText = false;
            return !_inText && _depth == 0 ? JsonStep.Done : JsonStep.More;
        }

        var first = !_started;
        if (first && char.IsWhiteSpace(next)) return JsonStep.More;
        _started = true;
        switch (next)
        {
            case '"' when first || _depth > 0:
                _inText = true;
                return JsonStep.More;
            case '{' or '[' when first || _depth > 0:
                _depth++;
                return JsonStep.More;
            case '}' or ']' when _depth > 0:
                return --_depth == 0 ? JsonStep.Done : JsonStep.More;
        }

        if (_depth > 0) return JsonStep.More;
        if (char.IsAsciiLetterOrDigit(next) || next is '-' or '+' or '.') return JsonStep.More;
        return first ? JsonStep.Broken : JsonStep.DoneBefore;
    }
}
