using FinerCut.Worker.OpenAi;
using FinerCut.Worker.Tools;

namespace FinerCut.Worker.Chats;

/// <summary>An answer is bound to one form at most: calls, a format or a grammar.</summary>
internal static class OneForm
{
    /// <param name="formatName">How the endpoint calls the format.</param>
    public static void Require(FieldReader body, ToolRequest tools, AnswerFormat format, AnswerFields answer, string formatName)
    {
        if (answer.Sampling.Grammar is not null && (tools.IsActive || format.IsJson))
            body.Fault("grammar", $"cannot be used together with tools or {formatName}.", "invalid_value");
        // Where a call is forced no other answer is given, so the format binds nothing.
        if (format.IsJson && tools is { IsActive: true, IsForced: false })
            body.Fault(formatName, "is only taken together with tools where \"tool_choice\" is \"none\", \"required\" or a function.", "invalid_value");
        if (answer.IgnoreEos && (answer.Sampling.Grammar is not null || tools.IsActive || format.IsJson))
            body.Fault("ignore_eos", "cannot be true together with a grammar, tools or a format: their answers have an end.", "invalid_value");
    }
}
