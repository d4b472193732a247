using System.Text;

namespace FinerCut.Gateway.Access.Metering;

/// <summary>A member that was looked for, once its value has gone by.</summary>
/// <param name="Value">Its JSON; valid until the next byte.</param>
internal readonly record struct JsonMember(string Name, ReadOnlyMemory<byte> Value);

/// <summary>
/// Looks for "usage" and "timings" objects in JSON that goes by, byte for byte, in constant memory: members of the outermost object, or of its
/// "response" or "message". Malformed JSON yields nothing or nonsense, never an exception.
/// </summary>
internal sealed class JsonMembers(int longestName, int longestValue)
{
    private readonly byte[] _name = new byte[longestName];
    private readonly byte[] _value = new byte[longestValue];
    private int _nameLength;
    private int _valueLength;
    private int _depth;
    private bool _inString;
    private bool _escaped;
    private bool _expectsName;
    private bool _readsName;
    private string? _outer;
    private string? _wanted;
    private int _wantedDepth;

    public void Reset()
    {
        (_depth, _inString, _escaped, _expectsName, _readsName) = (0, false, false, false, false);
        (_outer, _wanted, _valueLength) = (null, null, 0);
    }

    public JsonMember? Take(byte value)
    {
        Keep(value);
        if (_inString)
        {
            TakeOfString(value);
            return null;
        }

        switch (value)
        {
            case (byte)'"':
                _inString = true;
                _readsName = _expectsName && _wanted is null && _depth is 1 or 2;
                _nameLength = 0;
                return null;
            case (byte)'{':
                _depth++;
                _expectsName = true;
                return null;
            case (byte)'[':
                _depth++;
                _expectsName = false;
                return null;
            case (byte)'}' or (byte)']':
                _depth--;
                return _wanted is not null && _depth == _wantedDepth ? Found() : null;
            case (byte)',':
                // A scalar where an object was looked for is of no use.
                if (_wanted is not null && _depth == _wantedDepth) _wanted = null;
                _expectsName = true;
                return null;
            case (byte)':':
                _expectsName = false;
                return null;
            default:
                return null;
        }
    }

    private void TakeOfString(byte value)
    {
        if (_escaped) _escaped = false;
        else if (value == '\\') _escaped = true;
        else if (value == '"')
        {
            _inString = false;
            if (_readsName) TakeName();
            _readsName = false;
            return;
        }

        if (_readsName && _nameLength < _name.Length) _name[_nameLength++] = value;
        else _readsName = false;
    }

    private void TakeName()
    {
        var name = _name.AsSpan(0, _nameLength);
        if (_depth == 1) _outer = name.SequenceEqual("response"u8) || name.SequenceEqual("message"u8) ? Encoding.ASCII.GetString(name) : null;
        if (_depth == 2 && _outer is null) return;
        _wanted = name.SequenceEqual("usage"u8) ? "usage" : name.SequenceEqual("timings"u8) ? "timings" : null;
        _wantedDepth = _depth;
        _valueLength = 0;
    }

    private void Keep(byte value)
    {
        if (_wanted is null || (_valueLength == 0 && value is (byte)':' or (byte)' ')) return;
        if (_valueLength < _value.Length) _value[_valueLength++] = value;
        else _wanted = null;
    }

    private JsonMember Found()
    {
        var member = new JsonMember(_wanted!, _value.AsMemory(0, _valueLength));
        _wanted = null;
        return member;
    }
}
