using System.Collections.Immutable;
using System.Text.RegularExpressions;
using FinerCut.Worker.Grammars;
using FinerCut.Worker.Reasoning;

namespace FinerCut.Worker.Tools;

/// <summary>What enforces the form of calls.</summary>
/// <param name="Whole">GBNF (start rule "root") for the whole answer from its first character on, reasoning and text included.</param>
/// <param name="IsRequired">Whether the answer must follow it: a call is forced, or the family has no other way of telling calls from text. If
/// not, <paramref name="Whole"/> guards the calls only, and generating without it is allowed.</param>
/// <param name="Calls">Not required: GBNF from the first call's marker on, for a sampler that waits for a trigger; else null.</param>
/// <param name="Triggers">Regular expressions (C++ std::regex) whose first group begins where <paramref name="Calls"/> does.</param>
/// <param name="Loosened">Tools that did not ask for strictness and whose schema no grammar can hold to, with the reason: any object is taken.</param>
public sealed record ToolGrammar(string Whole, bool IsRequired, string? Calls, ImmutableArray<string> Triggers, ImmutableArray<SchemaRefusedException> Loosened)
{
    /// <param name="tags">Reasoning that may come first; null = none.</param>
    /// <param name="startsInsideReasoning">The prompt opened the reasoning, so that it does come first.</param>
    /// <returns>Null where the request has no tools to call.</returns>
    /// <exception cref="SchemaRefusedException">A strict tool's schema cannot be expressed; the path is that in the request.</exception>
    public static ToolGrammar? Build(ToolRequest request, ToolFamily family, ReasoningTags? tags = null, bool startsInsideReasoning = false)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!request.IsActive) return null;
        var form = new CallForms(request, family);
        var isRequired = request.IsForced || !family.IsNative();
        var answer = isRequired ? form.Forced() : form.Free();
        var before = tags is null ? Expr.Empty : ReasoningGrammar.Before(form.Builder, tags, startsInsideReasoning);
        var whole = form.Builder.Write(Expr.Join(before, answer), "tools");
        if (isRequired) return new ToolGrammar(whole, true, null, [], [.. form.Loosened]);
        var calls = new CallForms(request, family);
        return new ToolGrammar(whole, false, calls.Builder.Write(calls.Forced(), "tools"), [.. Trigger(family)], [.. calls.Loosened]);
    }

    private static IEnumerable<string> Trigger(ToolFamily family) => family switch
    {
        ToolFamily.Llama3 => ["^\\s*(\\{\\s*\"(?:name|type)\")", "<\\|python_tag\\|>(\\{)"],
        ToolFamily.FunctionaryRecipients => ["^((?!all\\n)[A-Za-z0-9_.-]+\\n)", ">>>((?!all\\n)[A-Za-z0-9_.-]+\\n)"],
        ToolFamily.Functools => ["(functools\\[)"],
        ToolFamily.FunctionaryTags => ["(<function=)"],
        _ => [$"({Regex.Escape(family.Markers()[0]).Replace("]", "\\]", StringComparison.Ordinal)})"],
    };
}
