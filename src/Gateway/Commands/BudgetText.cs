using System.Text.Json;
using System.Text.Json.Nodes;
using FinerCut.Jobs;

namespace FinerCut.Gateway.Commands;

/// <summary>A budget as one types it, as the order's JSON. Pure.</summary>
public static class BudgetText
{
    /// <summary>The order's budget; null where the text is none.</summary>
    public static JsonObject? Parse(string text) => PruneBudgetText.Parse(text) is not { } budget ? null
        : JsonSerializer.SerializeToNode(budget, ContractJson.Default.PruneBudget)!.AsObject();
}
