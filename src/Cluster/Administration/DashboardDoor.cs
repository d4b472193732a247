using System.Security.Cryptography;
using System.Text;
using FinerCut.Gateway.Admin;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.Dashboard;

namespace FinerCut.Cluster.Administration;

/// <summary>
/// Orleans' own dashboard, for admins: a page that a browser opens cannot send the admin key, so who has the key gets a cookie for this page and this process alone. Its endpoints work
/// with the silo's services, which are not the gateway's.
/// </summary>
internal sealed class DashboardDoor(IServiceProvider silo)
{
    public const string Path = "/admin/cluster/dashboard";
    private const string Cookie = "finercut-dashboard";
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(8);

    private readonly string _ticket = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    public void Map(IEndpointRouteBuilder app, IEndpointRouteBuilder admin)
    {
        admin.MapPost("/cluster/dashboard", (HttpContext context) =>
        {
            context.Response.Cookies.Append(Cookie, _ticket, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = context.Request.IsHttps, Path = Path, MaxAge = Lifetime });
            return AdminAnswers.Ok(new { path = Path + "/" });
        });
        IEndpointConventionBuilder pages = new SiloEndpoints(app, silo).MapOrleansDashboard(Path);
        pages.Add(endpoint =>
        {
            var answer = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = context =>
            {
                if (!HasTicket(context.Request))
                {
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    return Task.CompletedTask;
                }

                context.RequestServices = silo;
                return answer(context);
            };
        });
    }

    private bool HasTicket(HttpRequest request) =>
        request.Cookies[Cookie] is { } sent && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(sent), Encoding.ASCII.GetBytes(_ticket));

    private sealed class SiloEndpoints(IEndpointRouteBuilder app, IServiceProvider silo) : IEndpointRouteBuilder
    {
        public IServiceProvider ServiceProvider => silo;

        public ICollection<EndpointDataSource> DataSources => app.DataSources;

        public IApplicationBuilder CreateApplicationBuilder() => app.CreateApplicationBuilder();
    }
}
