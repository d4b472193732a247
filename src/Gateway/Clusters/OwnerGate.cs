using FinerCut.Gateway.OpenAi;
using Microsoft.AspNetCore.Http;

namespace FinerCut.Gateway.Clusters;

/// <summary>Answers 503 where what /admin asks for is between two owners, instead of an unexpected failure.</summary>
internal sealed class OwnerGate(ICluster cluster) : IEndpointFilter
{
    private static readonly TimeSpan Takeover = TimeSpan.FromSeconds(2);

    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        try
        {
            return await next(context);
        }
        catch (Exception exception) when (cluster.IsBetweenOwners(exception) && !context.HttpContext.Response.HasStarted)
        {
            await ErrorEnvelope.WriteAsync(context.HttpContext, ApiError.Unavailable("The machine that owned this has just gone, and another takes over; try again.", "owner_changing", Takeover));
            return Results.Empty;
        }
    }
}
