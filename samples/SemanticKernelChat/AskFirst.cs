using Microsoft.SemanticKernel;

namespace FinerCut.Samples;

/// <summary>Functions that begin something are called only when a person agrees.</summary>
/// <param name="agrees">Asked with the function and its arguments in words.</param>
public sealed class AskFirst(Func<string, bool> agrees) : IFunctionInvocationFilter
{
    public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);
        if (context.Function.Name.StartsWith("start_", StringComparison.Ordinal) && !agrees($"{context.Function.Name}({string.Join(", ", context.Arguments.Select(argument => $"{argument.Key}: {argument.Value}"))})"))
        {
            context.Result = new FunctionResult(context.Function, "The person did not agree; nothing was begun.");
            return;
        }

        await next(context);
    }
}
