using System.Collections.Immutable;

namespace FinerCut.Worker.Tools;

/// <summary>How a model writes calls.</summary>
public enum ToolFamily
{
    /// <summary>Any model: an instruction and a grammar that forces {"tool_call":{...}} or {"response":"..."}.</summary>
    Generic,

    /// <summary>Hermes 2/3, Qwen 2.5/3, QwQ, Granite 4: &lt;tool_call&gt;{"name":...,"arguments":{...}}&lt;/tool_call&gt;.</summary>
    Hermes,

    /// <summary>Qwen3-Coder and Qwen 3.5: &lt;tool_call&gt;&lt;function=name&gt;&lt;parameter=key&gt;value&lt;/parameter&gt;&lt;/function&gt;&lt;/tool_call&gt;.</summary>
    QwenXml,

    /// <summary>Llama 3.1 to 3.3: {"name":...,"parameters":{...}}, perhaps behind &lt;|python_tag|&gt;.</summary>
    Llama3,

    /// <summary>Mistral up to Nemo and Small 3.1: [TOOL_CALLS][{"name":...,"arguments":{...}}].</summary>
    MistralList,

    /// <summary>Mistral Small 3.2, Devstral, Ministral 3: [TOOL_CALLS]name[ARGS]{...}.</summary>
    MistralArgs,

    /// <summary>Functionary 3.1: &lt;function=name&gt;{...}&lt;/function&gt;.</summary>
    FunctionaryTags,

    /// <summary>Functionary 3.2: &gt;&gt;&gt;name, a line break, {...}; "all" for text.</summary>
    FunctionaryRecipients,

    /// <summary>Firefunction 2: functools[{"name":...,"arguments":{...}}].</summary>
    Functools,
}

public static class ToolFamilies
{
    /// <summary>Reads the family from a chat template's text.</summary>
    public static ToolFamily Detect(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        if (Has("[TOOL_CALLS]")) return Has("[ARGS]") ? ToolFamily.MistralArgs : ToolFamily.MistralList;
        if (Has("<tool_call>") && Has("<function=") && Has("<parameter=")) return ToolFamily.QwenXml;
        // Others use the same tags for something else: GLM for keys and values, MiniMax for XML, Apriel for lists.
        if (Has("<tool_call>") && (Has("\"arguments\"") || Has("\\\"arguments\\\"")) && !Has("<tool_calls>") && !Has("<arg_key>")) return ToolFamily.Hermes;
        if (Has(">>>${recipient}") || Has("'>>>all\\n'")) return ToolFamily.FunctionaryRecipients;
        if (Has("<function=") && !Has("<parameter=")) return ToolFamily.FunctionaryTags;
        if (Has("functools[")) return ToolFamily.Functools;
        return Has("<|start_header_id|>") && Has("ipython") && Has("\"parameters\": ") ? ToolFamily.Llama3 : ToolFamily.Generic;

        bool Has(string text) => template.Contains(text, StringComparison.Ordinal);
    }

    /// <summary>Whether the template shows the model its tools; if not, <see cref="ToolPrompt"/> does.</summary>
    public static bool IsNative(this ToolFamily family) => family != ToolFamily.Generic;

    /// <summary>Tokens that must reach the parser as text although they are control tokens.</summary>
    public static ImmutableArray<string> Markers(this ToolFamily family) => family switch
    {
        ToolFamily.Hermes or ToolFamily.QwenXml => ["<tool_call>", "</tool_call>"],
        ToolFamily.Llama3 => ["<|python_tag|>"],
        ToolFamily.MistralList => ["[TOOL_CALLS]"],
        ToolFamily.MistralArgs => ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"],
        ToolFamily.FunctionaryTags => ["<function=", "</function>"],
        _ => [],
    };
}
