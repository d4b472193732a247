using System.Text;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>How an answer is read.</summary>
/// <param name="Tools">Calls are looked for only where <see cref="ToolRequest.IsActive"/>.</param>
/// <param name="Reasoning">Tags of the reasoning; null = all text is content.</param>
/// <param name="StartsInsideReasoning">The prompt opened the reasoning.</param>
public sealed record AnswerForm(ToolRequest Tools, ToolFamily Family, ReasoningTags? Reasoning = null, bool StartsInsideReasoning = false);

/// <summary>
/// Takes an answer apart while it is generated: reasoning, content, calls. The pieces put together are the same for every way of cutting the
/// text. One an answer; not thread-safe.
/// </summary>
public sealed class AnswerReader
{
    private readonly AnswerSink _sink;
    private readonly ReasoningSplitter? _reasoning;
    private readonly IToolCallParser? _parser;
    private readonly StringBuilder _thought = new();
    private readonly StringBuilder _content = new();
    private readonly bool _stopsAfterCall;

    public AnswerReader(AnswerForm form, IToolCallIds ids)
    {
        ArgumentNullException.ThrowIfNull(form);
        _sink = new AnswerSink(ids);
        if (form.Reasoning is { } tags) _reasoning = new ReasoningSplitter(tags, form.StartsInsideReasoning);
        if (!form.Tools.IsActive) return;
        _stopsAfterCall = !form.Tools.IsParallel;
        ToolDefinition? Find(string name) => form.Tools.Tools.FirstOrDefault(tool => tool.Name == name);
        bool IsTool(string name) => Find(name) is not null;
        _parser = form.Family switch
        {
            ToolFamily.Hermes => new HermesParser(_sink),
            ToolFamily.QwenXml => new QwenXmlParser(_sink, Find),
            ToolFamily.Llama3 => new Llama3Parser(_sink, IsTool),
            ToolFamily.MistralList or ToolFamily.MistralArgs => new MistralParser(_sink, "[TOOL_CALLS]", takesNames: true),
            ToolFamily.Functools => new MistralParser(_sink, "functools", takesNames: false),
            ToolFamily.FunctionaryTags => new FunctionaryTagsParser(_sink),
            ToolFamily.FunctionaryRecipients => new FunctionaryRecipientsParser(_sink, IsTool),
            _ => new GenericParser(_sink, IsTool),
        };
    }

    /// <summary>Nothing more is wanted: the one call that the request allows is complete. Stop generating.</summary>
    public bool IsComplete => _stopsAfterCall && _parser!.Completed > 0;

    /// <summary>Calls begun so far; above 0 the answer ends with finish_reason "tool_calls".</summary>
    public int Calls => _sink.Calls;

    /// <summary>Takes a piece of text and gives what has become certain. Text behind <see cref="IsComplete"/> is left out.</summary>
    public IReadOnlyList<AnswerDelta> Push(ReadOnlySpan<char> text)
    {
        if (_reasoning is null)
        {
            _content.Append(text);
            Read();
            return _sink.Take();
        }

        _reasoning.Push(text, _thought, _content);
        Read();
        return _sink.Take();
    }

    /// <summary>The answer ends here.</summary>
    public IReadOnlyList<AnswerDelta> Finish()
    {
        _reasoning?.Finish(_thought, _content);
        Read();
        if (!IsComplete) _parser?.Finish();
        return _sink.Take();
    }

    private void Read()
    {
        _sink.Reasoning(_thought);
        if (_parser is null)
        {
            _sink.Content(_content);
            return;
        }

        for (var i = 0; i < _content.Length && !IsComplete; i++) _parser.Push(_content[i]);
        _content.Clear();
    }
}
